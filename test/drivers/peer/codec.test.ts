import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeHeartbeat,
  encodeHeartbeat,
  type PacketMemory,
  type HeartbeatPacket,
} from "../../../src/drivers/peer/codec.ts";
import { envelopeBytes, largestHeartbeatBytes, seal, sealText } from "../../../src/drivers/peer/frame.ts";
import { derivePeerKey } from "../../../src/drivers/peer/keys.ts";
import { bootA, body, hostA, hostB, key, onlyKey, otherKey, seeded, session } from "./samples.ts";

function packet(changes: Parameters<typeof body>[3] = {}): HeartbeatPacket {
  return session(hostA, bootA).outgoing("management", body(hostA, bootA, 1, changes), 1000);
}

function encoded(changes: Parameters<typeof body>[3] = {}): Buffer {
  const bytes = encodeHeartbeat(packet(changes), key);
  assert.ok(bytes.ok);
  return bytes.value;
}

/** The payload of a good packet with one change, signed with the right key: only the checks of the fields can object. */
function decodeChanged(change: (payload: Record<string, unknown>, body: Record<string, unknown>) => void) {
  const payload = JSON.parse(encoded().subarray(envelopeBytes).toString()) as Record<string, unknown>;
  change(payload, payload["body"] as Record<string, unknown>);
  const bytes = seal("heartbeat", payload, key, 1 << 20);
  assert.ok(bytes.ok);
  return decodeHeartbeat(bytes.value, onlyKey(key));
}

void test("a heartbeat comes back as it was", () => {
  const decoded = decodeHeartbeat(encoded(), onlyKey(key));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.value.packet, packet());
  assert.equal(decoded.value.keyId, key.keyId);
});

void test("an ordinary heartbeat fits one Ethernet frame", () => {
  const domains = Array.from({ length: 10 }, (_, n) => `01234567-89ab-4cde-8f01-${String(n).padStart(12, "0")}`);
  assert.ok(encoded({ domains }).length <= 1472, `found ${encoded({ domains }).length} bytes`);
});

void test("a thousand running domains fit, in order, and names that are no UUIDs survive", () => {
  const domains = Array.from({ length: 1000 }, (_, n) => `01234567-89ab-4cde-8f01-${String(n).padStart(12, "0")}`);
  const all = [...domains, "Domain-0"].toSorted();
  const decoded = decodeHeartbeat(encoded({ domains: all }), onlyKey(key));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.value.packet.body.domains, all);
});

void test("a heartbeat above the limit is refused at the sender, with its size", () => {
  const domains = Array.from({ length: 2000 }, (_, n) => `01234567-89ab-4cde-8f01-${String(n).padStart(12, "0")}`);
  const result = encodeHeartbeat(packet({ domains }), key);
  assert.ok(!result.ok);
  assert.match(result.error, /found 4\d{4} bytes, expected at most 24576/);
});

void test("every single flipped bit of a packet makes it unacceptable", () => {
  const good = encoded();
  for (let bit = 0; bit < good.length * 8; bit += 1) {
    const bytes = Buffer.from(good);
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    assert.equal(decodeHeartbeat(bytes, onlyKey(key)).ok, false, `bit ${bit}`);
  }
});

void test("every truncation of a packet, and every extension, is unacceptable", () => {
  const good = encoded();
  for (let size = 0; size < good.length; size += 1) {
    assert.equal(decodeHeartbeat(good.subarray(0, size), onlyKey(key)).ok, false, `${size} bytes`);
  }
  assert.deepEqual(decodeHeartbeat(Buffer.concat([good, Buffer.from(" ")]), onlyKey(key)), {
    ok: false,
    error: "bad signature",
  });
});

void test("20,000 random packets, half of them with a good head, neither throw nor pass", () => {
  const random = seeded(20261107);
  const head = encoded().subarray(0, 10);
  for (let round = 0; round < 20_000; round += 1) {
    const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 200) }, () => Math.floor(random() * 256)));
    if (round % 2 === 0) head.copy(bytes);
    assert.equal(decodeHeartbeat(bytes, onlyKey(key)).ok, false);
  }
});

void test("payloads that are signed but are no heartbeat neither throw nor pass", () => {
  const deep = JSON.parse(`${"[".repeat(5000)}${"]".repeat(5000)}`) as unknown;
  for (const payload of [null, 0, "", [], {}, true, deep, { body: null }, { body: { domains: [] } }]) {
    const bytes = seal("heartbeat", payload, key, 1 << 20);
    assert.ok(bytes.ok);
    assert.deepEqual(decodeHeartbeat(bytes.value, onlyKey(key)), { ok: false, error: "malformed" });
  }
});

void test("signed random damage to any field's value neither throws nor yields a wrong type", () => {
  const random = seeded(7);
  const odd: unknown[] = [null, -1, 1.5, "", "x".repeat(5000), [], {}, true, 1e300, "__proto__", { packed: "====" }];
  const fields = [
    "poolId",
    "sender",
    "bootId",
    "incarnation",
    "link",
    "seq",
    "sentAtMs",
    "echoes",
    "nonce",
    "echoedNonces",
  ];
  const inner = Object.keys(JSON.parse(encoded().subarray(envelopeBytes).toString()).body as object);
  for (let round = 0; round < 3000; round += 1) {
    const value = odd[Math.floor(random() * odd.length)];
    const outer = fields[Math.floor(random() * fields.length)] ?? "";
    const within = inner[Math.floor(random() * inner.length)] ?? "";
    const decoded = decodeChanged((payload, wire) => {
      if (round % 2 === 0) payload[outer] = value;
      else wire[within] = value;
    });
    if (!decoded.ok) continue;
    const { packet: accepted } = decoded.value;
    assert.equal(typeof accepted.body.epoch, "number");
    assert.ok(Number.isSafeInteger(accepted.seq) && accepted.seq >= 1);
    assert.ok(accepted.body.domains.every((name) => typeof name === "string"));
    assert.equal(typeof accepted.body.serving, "boolean");
  }
});

void test("a missing field is refused, an unknown one ignored", () => {
  for (const field of ["epoch", "owner", "flags", "resources", "vote", "intent", "domains", "xapi", "busy"]) {
    const decoded = decodeChanged((_payload, wire) => delete wire[field]);
    assert.deepEqual(decoded, { ok: false, error: "malformed" }, field);
  }
  const newer = decodeChanged((payload, wire) => {
    payload["ofTheNextRelease"] = 1;
    wire["alsoNew"] = { deep: true };
  });
  assert.ok(newer.ok);
  assert.deepEqual(newer.value.packet, packet());
});

void test("a resource named like an object's prototype is refused", () => {
  const good = encoded().subarray(envelopeBytes).toString();
  const payload = { ...JSON.parse(good) } as Record<string, unknown>;
  const text = JSON.stringify(payload).replace('"iscsi1"', '"__proto__"');
  const bytes = seal("heartbeat", { toJSON: () => JSON.parse(text) as unknown }, key, 1 << 20);
  assert.ok(bytes.ok);
  assert.match(bytes.value.toString("latin1"), /__proto__/);
  const decoded = decodeHeartbeat(bytes.value, onlyKey(key));
  if (decoded.ok) assert.deepEqual(Object.keys(decoded.value.packet.body.resources), []);
  assert.equal(Object.hasOwn(Object.prototype, "role"), false);
});

void test("the identity in the body is the signed one of the envelope", () => {
  const decoded = decodeChanged((_payload, wire) => {
    wire["hostId"] = hostB;
    wire["bootId"] = "c".repeat(32);
    wire["incarnation"] = 99;
  });
  assert.ok(decoded.ok);
  const { hostId, bootId, incarnation } = decoded.value.packet.body;
  assert.deepEqual({ hostId, bootId, incarnation }, { hostId: hostA, bootId: bootA, incarnation: 1 });
});

void test("another pool's key, an old key and a key under a false number are refused", () => {
  const elsewhere = derivePeerKey(
    Buffer.from("pool-secret-of-the-lab-0123456789"),
    "88888888-8888-4888-8888-888888888888",
  );
  assert.notEqual(Buffer.from(elsewhere.key).toString("hex"), Buffer.from(key.key).toString("hex"));
  for (const signer of [elsewhere, otherKey]) {
    const bytes = encodeHeartbeat(packet(), signer);
    assert.ok(bytes.ok);
    assert.deepEqual(decodeHeartbeat(bytes.value, onlyKey(key)), { ok: false, error: "unknown key" });
  }
  const posing = encodeHeartbeat(packet(), { keyId: key.keyId, key: otherKey.key });
  assert.ok(posing.ok);
  assert.deepEqual(decodeHeartbeat(posing.value, onlyKey(key)), { ok: false, error: "bad signature" });
});

void test("a giant packet is dropped before its signature is computed", () => {
  let asked = 0;
  const findKey = (keyId: number) => {
    asked += 1;
    return onlyKey(key)(keyId);
  };
  const giant = Buffer.concat([encoded(), Buffer.alloc(largestHeartbeatBytes)]);
  assert.deepEqual(decodeHeartbeat(giant, findKey), { ok: false, error: "too large" });
  assert.equal(asked, 0);
});

void test("a frame of another kind with the same key is no heartbeat", () => {
  const payload = JSON.parse(encoded().subarray(envelopeBytes).toString()) as unknown;
  for (const kind of ["hello", "request", "answer"] as const) {
    const bytes = seal(kind, payload, key, 1 << 20);
    assert.ok(bytes.ok);
    assert.deepEqual(decodeHeartbeat(bytes.value, onlyKey(key)), { ok: false, error: "other kind" });
  }
});

void test("a body that was said before is the same object again, and its envelope is still checked", () => {
  const memory: PacketMemory = { last: null };
  const speaker = session(hostA, bootA);
  const said = (epoch: number, link: "management" | "replication" = "management") => {
    const bytes = encodeHeartbeat(speaker.outgoing(link, body(hostA, bootA, 1, { epoch }), 1000), key);
    assert.ok(bytes.ok);
    return bytes.value;
  };
  const first = decodeHeartbeat(said(7), onlyKey(key), memory);
  const again = decodeHeartbeat(said(7, "replication"), onlyKey(key), memory);
  const other = decodeHeartbeat(said(8), onlyKey(key), memory);
  assert.ok(first.ok && again.ok && other.ok);
  assert.equal(again.value.packet.body, first.value.packet.body);
  assert.equal(again.value.packet.link, "replication");
  assert.equal(again.value.packet.seq, first.value.packet.seq + 1);
  assert.equal(other.value.packet.body.epoch, 8);
});

void test("a known body in a changed envelope is judged by that envelope", () => {
  const memory: PacketMemory = { last: null };
  assert.ok(decodeHeartbeat(encoded(), onlyKey(key), memory).ok);
  const text = encoded().subarray(envelopeBytes).toString();
  const cases = [
    ['"seq":1', '"seq":"1"', false],
    ['"seq":1', '"seq":1,', false],
    ['"link":"management"', '"link":"elsewhere"', false],
    [`"sender":"${hostA}"`, `"sender":"${hostB}"`, true],
  ] as const;
  for (const [from, to, good] of cases) {
    assert.ok(text.includes(from), from);
    const bytes = sealText("heartbeat", text.replace(from, to), key, largestHeartbeatBytes);
    assert.ok(bytes.ok);
    const decoded = decodeHeartbeat(bytes.value, onlyKey(key), memory);
    assert.equal(decoded.ok, good, to);
    // Whose body it is says the envelope, never the memory.
    if (decoded.ok) assert.equal(decoded.value.packet.body.hostId, hostB);
  }
});

void test("a memory changes what decoding costs, never what comes of it", () => {
  const random = seeded(11);
  const speaker = session(hostA, bootA);
  const listener = session(hostB, bootA.replaceAll("a", "b"));
  const values: readonly unknown[] = [null, -1, 0, 7, 1.5, 1e300, "", "7", "a".repeat(32), [], [null], {}, [{}], true];
  const memory: PacketMemory = { last: null };
  let fresh = 0;
  for (let round = 0; round < 2_000; round++) {
    const now = 1000 + 250 * round;
    const packet = speaker.outgoing("management", body(hostA, bootA, 1), now);
    listener.incoming(packet, "management", now);
    speaker.incoming(listener.outgoing("management", body(hostB, bootA, 1), now), "management", now);
    const good = encodeHeartbeat(packet, key);
    assert.ok(good.ok);
    const payload = JSON.parse(good.value.subarray(envelopeBytes).toString()) as Record<string, unknown>;
    const [first] = payload["echoes"] as Record<string, unknown>[];
    const damaged = random() < 0.5 || first === undefined ? payload : first;
    const fields = Object.keys(damaged).filter((name) => name !== "body");
    if (round % 4 !== 0)
      damaged[fields[Math.floor(random() * fields.length)] ?? ""] = values[Math.floor(random() * values.length)];
    const bytes = seal("heartbeat", payload, key, 1 << 20);
    assert.ok(bytes.ok);
    const known = memory.last?.packet.body;
    const remembered = decodeHeartbeat(bytes.value, onlyKey(key), memory);
    assert.deepEqual(remembered, decodeHeartbeat(bytes.value, onlyKey(key)));
    if (remembered.ok && remembered.value.packet.body === known) fresh += 1;
  }
  assert.ok(fresh > 500, `found ${fresh} packets with a known body, expected most good ones`);
});
