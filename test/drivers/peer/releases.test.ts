// Two releases side by side, while a pool is updated host by host: of one version of the protocol they understand one another,
// of two versions neither acts on a word of the other.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createRefusedPackets } from "../../../src/daemon/readiness/refused-packets.ts";
import { decodeHeartbeat, encodeHeartbeat } from "../../../src/drivers/peer/codec.ts";
import { envelopeBytes, protocolVersion } from "../../../src/drivers/peer/frame.ts";
import { createPeerLink } from "../../../src/drivers/peer/link.ts";
import { decodeBeat } from "../../../src/drivers/peer/member-codec.ts";
import { decodeRpc, type RpcKind } from "../../../src/drivers/peer/rpc-codec.ts";
import { heartbeat, memberBeat, recordPath, rpcFrames, shapesOfNow, type ProtocolRecord } from "./protocol-record.ts";
import { body, bootB, hostA, hostB, key, linkOf, onlyKey, poolId, session } from "./samples.ts";

const record = JSON.parse(readFileSync(recordPath, "utf8")) as ProtocolRecord;
const bytes = (kind: string): Buffer => Buffer.from(record.packets[kind] ?? "", "hex");
const RAISE =
  "older releases of this protocol do not understand that: see 'version of the protocol' in CONTRIBUTING.md";

test("what the first release of this version of the protocol sends is understood", () => {
  assert.equal(record.version, protocolVersion);
  const beat = decodeHeartbeat(bytes("heartbeat"), onlyKey(key));
  assert.ok(beat.ok, RAISE);
  assert.deepEqual(beat.value.packet, heartbeat);
  const member = decodeBeat(bytes("memberBeat"), onlyKey(key));
  assert.ok(member.ok, RAISE);
  assert.deepEqual(member.value.packet, memberBeat);
  for (const kind of ["hello", "request", "answer"] satisfies RpcKind[]) {
    // The length in front of a frame.
    const frame = bytes(kind).subarray(4);
    const decoded = decodeRpc(kind, frame, onlyKey(key), { poolId, hostId: hostB, peerId: hostA });
    assert.ok(decoded.ok, RAISE);
    assert.deepEqual(decoded.value.frame, rpcFrames[kind]);
  }
});

/** The shape without what the other one's releases pass over: properties that may be missing, and requests they do not know. */
function withoutAdditions(now: unknown, then: unknown, at: string): unknown {
  if (typeof now !== "object" || now === null || typeof then !== "object" || then === null) return now;
  if (Array.isArray(now) && Array.isArray(then)) {
    const before: readonly unknown[] = then;
    const paired = now.map((one, i) => withoutAdditions(one, before[i], `${at}/${i}`));
    return at.endsWith("/request/oneOf") ? paired.slice(0, before.length) : paired;
  }
  const required = "required" in now && Array.isArray(now.required) ? (now.required as readonly unknown[]) : [];
  const known = Object.entries(now).filter(
    ([name]) => !at.endsWith("/properties") || Object.hasOwn(then, name) || required.includes(name),
  );
  const old = then as Readonly<Record<string, unknown>>;
  return Object.fromEntries(known.map(([name, value]) => [name, withoutAdditions(value, old[name], `${at}/${name}`)]));
}

test("messages have the shape that the first release of this version of the protocol takes, or more that may be missing", () => {
  for (const [kind, shape] of Object.entries(shapesOfNow()))
    assert.deepEqual(withoutAdditions(shape, record.shapes[kind], kind), record.shapes[kind], `${kind}: ${RAISE}`);
});

const object = (properties: Readonly<Record<string, unknown>>, ...required: readonly string[]): unknown => ({
  type: "object",
  properties,
  required,
});
const request = (...kinds: readonly string[]): unknown => ({
  properties: { request: { oneOf: kinds.map((kind) => object({ kind: { const: kind } }, "kind")) } },
});
for (const [what, then, now, isSame] of [
  ["a field that may be missing", object({ a: {} }, "a"), object({ a: {}, b: {} }, "a"), true],
  ["a field that must be there", object({ a: {} }, "a"), object({ a: {}, b: {} }, "a", "b"), false],
  ["a field that is gone", object({ a: {}, b: {} }, "a"), object({ a: {} }, "a"), false],
  ["a field that may be missing now", object({ a: {} }, "a"), object({ a: {} }), false],
  ["another word for a field", object({ a: { enum: ["x"] } }), object({ a: { enum: ["x", "y"] } }), false],
  ["another type", object({ a: { type: "string" } }), object({ a: { type: "number" } }), false],
  ["one more request", request("pause"), request("pause", "discard"), true],
  ["a request that is gone", request("pause", "discard"), request("pause"), false],
] as const) {
  test(`the comparison of shapes: ${what} is ${isSame ? "an addition" : "a new version"}`, () => {
    const found = withoutAdditions(now, then, "x");
    if (isSame) assert.deepEqual(found, then);
    else assert.notDeepEqual(found, then);
  });
}

test("a peer with another version of the protocol is never heard, and the reason is named", async (context) => {
  const [here, there, port] = ["127.0.83.1", "127.0.83.2", 20_000 + (process.pid % 20_000)];
  const refused = createRefusedPackets(
    () => "xcp2",
    () => performance.now(),
  );
  const heard: unknown[] = [];
  const link = createPeerLink({
    ...linkOf("a"),
    addresses: [{ link: "management", local: here, remote: there, port }],
    onHeartbeat: (beat) => heard.push(beat),
    onRequest: (asked, reply) => {
      heard.push(asked);
      reply({ kind: "done" });
    },
    onDropped: (reason) => refused.heard(reason),
  });
  await link.start();
  context.after(() => link.stop());
  const peer = createSocket("udp4");
  context.after(() => peer.close());
  await new Promise<void>((resolve) => peer.bind({ address: there }, resolve));
  const theirs = encodeHeartbeat(session(hostB, bootB).outgoing("management", body(hostB, bootB, 1), 0), key);
  assert.ok(theirs.ok);
  theirs.value.writeUInt8(protocolVersion + 1, 4);
  assert.ok(theirs.value.length > envelopeBytes);
  for (let round = 0; refused.why() === null; round += 1) {
    assert.ok(round < 250, "the packet of another version was not noticed within 5 s");
    peer.send(theirs.value, port, here);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.match(refused.why() ?? "", /xcp2 speaks another version of tandem's protocol: install the same package/);
  assert.deepEqual(heard, []);
});
