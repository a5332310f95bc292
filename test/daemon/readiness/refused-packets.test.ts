import assert from "node:assert/strict";
import { test } from "node:test";
import { createRefusedPackets } from "../../../src/daemon/readiness/refused-packets.ts";
import { seal, unseal, largestHeartbeatBytes } from "../../../src/drivers/peer/frame.ts";

const KEY = { keyId: 7, key: Buffer.alloc(32, 1) };

test("a host with another version of the protocol is named as such, and for as long as it sends", () => {
  const sealed = seal("heartbeat", {}, KEY, largestHeartbeatBytes);
  assert.ok(sealed.ok);
  // The byte after the four of the magic is the version.
  sealed.value[4] = 2;
  const opened = unseal("heartbeat", sealed.value, () => KEY, largestHeartbeatBytes);
  assert.ok(!opened.ok);
  let now = 0;
  const refused = createRefusedPackets(
    () => "xcp2",
    () => now,
  );
  assert.equal(refused.why(), null);
  refused.heard(opened.error);
  assert.match(refused.why() ?? "", /xcp2 speaks another version .* install the same package on both hosts/);
  now = 24_000;
  refused.heard("replay");
  assert.match(refused.why() ?? "", /another version/, "what explains nothing hides nothing");
  now = 26_000;
  assert.equal(refused.why(), null);
});
