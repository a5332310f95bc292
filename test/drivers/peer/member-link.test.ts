import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { test, type TestContext } from "node:test";
import type { HeardBeat, MemberBeat } from "../../../src/core/pool/model.ts";
import { peerKeys } from "../../../src/drivers/peer/keys.ts";
import { decodeBeat, encodeBeat } from "../../../src/drivers/peer/member-codec.ts";
import { createMemberLink, type MemberLink } from "../../../src/drivers/peer/member-link.ts";
import { addressOf as simAddress } from "../../xapi-sim/addresses.ts";
import { key, onlyKey, otherKey, poolId, seeded } from "./samples.ts";

const ids = ["a", "b", "c"] as const;
type Id = (typeof ids)[number];
const addressOf = (id: Id): string => simAddress(10 + ids.indexOf(id));
const port = 20_000 + (process.pid % 20_000);

const beat = (hostId: string, changes: Partial<MemberBeat> = {}): MemberBeat => ({
  hostId,
  bootId: hostId.repeat(32),
  incarnation: 1,
  asks: true,
  epoch: 3,
  leader: "a",
  authorityMs: null,
  informed: false,
  supports: true,
  ha: "on",
  maintenance: false,
  intent: "none",
  cfgHash: "0123",
  watchdogArmed: true,
  fenced: false,
  mayLead: true,
  barred: ["c"],
  dead: [],
  successor: null,
  domains: ["01234567-89ab-4cde-8f01-23456789abcd"],
  xapi: "supporter",
  masterId: "a",
  ...changes,
});

interface Host {
  readonly link: MemberLink;
  readonly heard: HeardBeat[];
  readonly drops: string[];
}

async function start(t: TestContext, id: Id, keys = key): Promise<Host> {
  const heard: HeardBeat[] = [];
  const drops: string[] = [];
  const link = createMemberLink({
    poolId,
    hostId: id,
    bootId: id.repeat(32),
    incarnation: 1,
    port,
    local: { management: addressOf(id) },
    members: ids.filter((one) => one !== id).map((one) => ({ hostId: one, addresses: { management: addressOf(one) } })),
    keys: peerKeys(keys, null),
    now: () => performance.now(),
    onBeat: (one) => heard.push(one),
    onDropped: (reason) => drops.push(reason),
  });
  await link.start();
  t.after(() => link.stop());
  return { link, heard, drops };
}

async function until(what: string, condition: () => boolean, meanwhile: () => void): Promise<void> {
  for (let round = 0; round < 250; round += 1) {
    if (condition()) return;
    meanwhile();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`never came true: ${what}`);
}

test("three hosts hear one another, each by its own session, and the echoes prove both directions", async (t) => {
  const [a, b, c] = [await start(t, "a"), await start(t, "b"), await start(t, "c")];
  const all: readonly (readonly [Id, Host])[] = [
    ["a", a],
    ["b", b],
    ["c", c],
  ];
  const everybody = (): void => {
    for (const [id, host] of all) for (const to of ids) if (to !== id) host.link.beat(to, beat(id));
  };
  const proven = (host: Host): number =>
    new Set(host.heard.filter((one) => one.echoSentAt !== null).map((one) => one.body.hostId)).size;
  await until("everybody in contact with everybody", () => all.every(([, host]) => proven(host) === 2), everybody);
  assert.deepEqual(b.heard.find((one) => one.body.hostId === "a")?.body, beat("a"));
});

test("a beat for another host, of another key, from a stranger or of no sense is dropped", async (t) => {
  const a = await start(t, "a");
  const packet = { poolId, sender: "b", bootId: "b".repeat(32), incarnation: 1, link: "management" as const, seq: 1 };
  const rest = { sentAtMs: 0, echoes: [], nonce: "0".repeat(32), echoedNonces: [], body: beat("b") };
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind({ address: addressOf("b"), port: 0 }, resolve));
  t.after(() => socket.close());
  const stranger = createSocket("udp4");
  await new Promise<void>((resolve) => stranger.bind({ address: simAddress(88), port: 0 }, resolve));
  t.after(() => stranger.close());
  const sealed = (recipient: string, signer: typeof key): Buffer => {
    const encoded = encodeBeat({ ...packet, ...rest, recipient }, signer);
    assert.ok(encoded.ok);
    return encoded.value;
  };
  const expected = ["other recipient", "unknown key", "unproven session", "foreign address", "not ours"];
  await until(
    "all five reasons",
    () => expected.every((reason) => a.drops.includes(reason)),
    () => {
      socket.send(sealed("c", key), port, addressOf("a"));
      socket.send(sealed("a", otherKey), port, addressOf("a"));
      socket.send(sealed("a", key), port, addressOf("a"));
      socket.send(Buffer.alloc(100, 7), port, addressOf("a"));
      stranger.send(sealed("a", key), port, addressOf("a"));
    },
  );
  assert.deepEqual(a.heard, []);
});

test("any bytes decode to nothing or to what was sent, and 64 hosts with 1,000 VMs fit", () => {
  const random = seeded(7);
  const hosts = Array.from({ length: 64 }, (_, i) => `11111111-1111-4111-8111-${String(i).padStart(12, "0")}`);
  const domains = Array.from({ length: 1_000 }, (_, i) => `22222222-2222-4222-8222-${String(i).padStart(12, "0")}`);
  const body = beat("b", { barred: hosts, domains });
  const identity = { poolId, sender: "b", recipient: "a", bootId: "b".repeat(32), incarnation: 1 };
  const rest = {
    link: "management" as const,
    seq: 1,
    sentAtMs: 0,
    echoes: [],
    nonce: "0".repeat(32),
    echoedNonces: [],
  };
  const packet = { ...identity, ...rest, body };
  const encoded = encodeBeat(packet, key);
  assert.ok(encoded.ok);
  const decoded = decodeBeat(encoded.value, onlyKey(key));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.value.packet.body, body);
  for (let i = 0; i < 300; i += 1) {
    const broken: Buffer = Buffer.from(encoded.value);
    const at = Math.floor(random() * broken.length);
    broken[at] = (broken[at] ?? 0) ^ (1 + Math.floor(random() * 255));
    assert.equal(decodeBeat(broken, onlyKey(key)).ok, false);
  }
});
