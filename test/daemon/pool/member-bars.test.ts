import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemberBars } from "../../../src/daemon/pool/member-bars.ts";
import type { TargetPort } from "../../../src/drivers/iscsi-target/port.ts";
import { ok } from "../../../src/util/result.ts";

const host = (n: number) => ({ uuid: `h${n}`, name: `xcp${n}`, management: `10.0.0.${n}`, replication: `10.1.0.${n}` });

test("a dead member is barred beside whom the pair bars, and readmitted alone (D16)", async () => {
  const did: string[] = [];
  let pair: readonly string[] = [];
  let works = true;
  let owns = true;
  const done: Awaited<ReturnType<TargetPort["fill"]>> = ok("changed");
  const failed: typeof done = {
    ok: false,
    error: { kind: "unverified", action: "bar", expected: "none", found: "one" },
  };
  const bars = createMemberBars({
    target: {
      bar(_spec, addresses) {
        did.push(`bar ${addresses.join(" ")}`);
        return Promise.resolve(works ? done : failed);
      },
      fill() {
        did.push("fill");
        return Promise.resolve(works ? done : failed);
      },
    },
    spec: { iqn: "iqn", tid: 1, luns: [], allow: ["ALL"], portal: { address: "10.1.0.9", port: 3260 } },
    hosts: () => [1, 2, 3, 4].map(host),
    owns: () => owns,
    pairBars: () => pair,
    log: () => undefined,
  });
  assert.ok((await bars.bar("h3")).ok);
  pair = ["10.1.0.2"];
  assert.ok((await bars.bar("h4")).ok);
  await bars.follow(["h3", "h4"]);
  works = false;
  await bars.follow(["h4"]);
  assert.equal(bars.addresses().length, 4, "what was not lifted is still barred");
  works = true;
  await bars.follow(["h4"]);
  pair = [];
  await bars.follow([]);
  assert.deepEqual(did, [
    "bar 10.0.0.3 10.1.0.3",
    "bar 10.1.0.2 10.0.0.3 10.1.0.3 10.0.0.4 10.1.0.4",
    "bar 10.1.0.2 10.0.0.4 10.1.0.4",
    "bar 10.1.0.2 10.0.0.4 10.1.0.4",
    "fill",
  ]);
  assert.deepEqual(bars.addresses(), []);

  await bars.bar("h3");
  owns = false;
  const before = did.length;
  await bars.follow([]);
  assert.deepEqual([did.length, bars.addresses()], [before, []], "a host that gave the storage away fills no target");
});
