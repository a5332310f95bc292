// Any bytes, damaged frames, old keys and signed nonsense at the control RPC's codec: it neither throws nor passes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { seal } from "../../../src/drivers/peer/frame.ts";
import { createFrameReader, decodeRpc, encodeRpc, type RpcKind } from "../../../src/drivers/peer/rpc-codec.ts";
import { hostA, hostB, key, onlyKey, otherKey, poolId, seeded } from "./samples.ts";

const parties = { poolId, hostId: hostA, peerId: hostB };
const KINDS: readonly RpcKind[] = ["hello", "request", "answer"];
const REQUEST = {
  poolId,
  sender: hostB,
  recipient: hostA,
  id: "1".repeat(32),
  nonce: "3".repeat(32),
  clientNonce: "2".repeat(32),
  validForMs: 2_000,
  request: { kind: "claim", epoch: 7, operator: false },
} as const;

/** Without the length in front. */
function frame(signer = key, changes: Partial<typeof REQUEST> = {}): Buffer {
  const encoded = encodeRpc("request", { ...REQUEST, ...changes }, signer);
  assert.ok(encoded.ok);
  return encoded.value.subarray(4);
}

const accepts = (bytes: Uint8Array): boolean =>
  KINDS.map((kind) => decodeRpc(kind, bytes, onlyKey(key), parties).ok).includes(true);

void test("a request comes back as it was, and only as a request", () => {
  const bytes = frame();
  const decoded = decodeRpc("request", bytes, onlyKey(key), parties);
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.value.frame, REQUEST);
  assert.equal(decodeRpc("answer", bytes, onlyKey(key), parties).ok, false);
  assert.equal(decodeRpc("hello", bytes, onlyKey(key), parties).ok, false);
});

void test("every single flipped bit, every truncation and every extension is refused", () => {
  const good = frame();
  for (let bit = 0; bit < good.length * 8; bit += 1) {
    const bytes = Buffer.from(good);
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.equal(accepts(bytes), false, `bit ${bit}`);
  }
  for (let size = 0; size < good.length; size += 1) assert.equal(accepts(good.subarray(0, size)), false, `${size}`);
  assert.equal(accepts(Buffer.concat([good, Buffer.from(" ")])), false);
});

void test("another key, an old one, another pool, another sender and another recipient are refused", () => {
  assert.equal(accepts(frame(otherKey)), false);
  const other = { ...REQUEST, poolId: hostA };
  for (const changes of [{ poolId: hostA }, { sender: hostA }, { recipient: hostB }]) {
    const encoded = encodeRpc("request", { ...other, poolId, ...changes }, key);
    assert.ok(encoded.ok);
    assert.equal(accepts(encoded.value.subarray(4)), false);
  }
});

void test("20,000 random frames, half of them with a good head, neither throw nor pass", () => {
  const random = seeded(20261121);
  const head = frame().subarray(0, 10);
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 200) }, () => Math.floor(random() * 256)));
    if (round % 2 === 0) head.copy(bytes);
    assert.equal(accepts(bytes), false);
  }
});

void test("signed damage to any field neither throws nor yields a wrong type", () => {
  const random = seeded(11);
  const odd = [null, -1, 1.5, 2 ** 60, "", "x".repeat(5_000), [], {}, true, 1e300, "__proto__", { kind: "__proto__" }];
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  for (let round = 0; round < 3_000; round += 1) {
    const request: Record<string, unknown> = { ...REQUEST.request };
    const payload: Record<string, unknown> = { ...REQUEST, request };
    const value = pick(odd);
    if (round % 2 === 0) payload[pick(Object.keys(REQUEST)) ?? ""] = value;
    else request[pick(["kind", "epoch", "operator"]) ?? ""] = value;
    const sealed = seal("request", payload, key, 1 << 20);
    assert.ok(sealed.ok);
    const decoded = decodeRpc("request", sealed.value, onlyKey(key), parties);
    if (!decoded.ok) continue;
    const { frame: accepted } = decoded.value;
    assert.ok(accepted.request.kind === "claim" || accepted.request.kind === "pause");
    assert.ok(accepted.request.kind !== "claim" || Number.isSafeInteger(accepted.request.epoch));
    assert.ok(accepted.validForMs >= 0);
  }
});

void test("signed payloads that are no frame neither throw nor pass, however deep", () => {
  const deep = JSON.parse(`${"[".repeat(5_000)}${"]".repeat(5_000)}`) as unknown;
  for (const payload of [null, 0, "", [], {}, true, deep, { request: null }, { request: { kind: "outdate" } }]) {
    for (const kind of KINDS) {
      const sealed = seal(kind, payload, key, 1 << 20);
      assert.ok(sealed.ok);
      assert.deepEqual(decodeRpc(kind, sealed.value, onlyKey(key), parties), { ok: false, error: "malformed" });
    }
  }
});

void test("a stream in any pieces gives its frames, and one that announces too much ends it", () => {
  const random = seeded(3);
  const one = encodeRpc("request", REQUEST, key);
  assert.ok(one.ok);
  const stream = Buffer.concat([one.value, one.value, one.value]);
  for (let round = 0; round < 200; round += 1) {
    const reader = createFrameReader();
    let frames = 0;
    for (let at = 0; at < stream.length;) {
      const size = 1 + Math.floor(random() * 300);
      frames += reader.push(stream.subarray(at, at + size))?.length ?? Number.NaN;
      at += size;
    }
    assert.equal(frames, 3);
  }
  assert.equal(createFrameReader().push(Buffer.from([255, 255, 255, 255])), null);
});
