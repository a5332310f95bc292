// Driver and witness over real sockets and files: what is granted is durable, and nothing a stranger sends changes it.

import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { WitnessAnswer, WitnessRequest } from "../../src/core/model/witness.ts";
import type { PeerKey } from "../../src/drivers/peer/keys.ts";
import { createWitnessClient, type WitnessClient } from "../../src/drivers/witness/client.ts";
import { decodeWitness, encodeWitness, type WitnessPackets } from "../../src/drivers/witness/codec.ts";
import { newWitnessKey, readWitnessKeys, witnessKey } from "../../src/drivers/witness/keys.ts";
import { createGrantStore } from "../../src/witness/grant-store.ts";
import { createWitnessServer, type WitnessServer, type WitnessServerOptions } from "../../src/witness/server.ts";
import { createRandom } from "../sim/random.ts";
import { FIRST } from "../xapi-sim/addresses.ts";

const PORT = 7695;
const POOL = "0d6a2b1c-7f7e-4c55-9f39-6f1d3a1b2c4d";
const OTHER_POOL = "1d6a2b1c-7f7e-4c55-9f39-6f1d3a1b2c4d";
const folder = mkdtempSync(join(tmpdir(), "witness-"));
after(() => rmSync(folder, { recursive: true }));

function key(line: string, pool = POOL): PeerKey {
  const made = witnessKey(line, pool);
  assert.ok(made.ok);
  return made.value;
}
const line = newWitnessKey();
const REQUEST: WitnessRequest = {
  kind: "query",
  resources: ["iscsi1"],
  epoch: 1,
  owner: false,
  solo: false,
  takeMs: 0,
};

let files = 0;
interface Running {
  readonly server: WitnessServer;
  readonly path: string;
  readonly drops: Map<string, number>;
}

async function serve(t: TestContext, patch: Partial<WitnessServerOptions> = {}): Promise<Running> {
  files += 1;
  const path = join(folder, `grants-${files}.json`);
  const drops = new Map<string, number>();
  const server = createWitnessServer({
    listen: [{ host: FIRST, port: PORT }],
    pools: [
      { poolId: POOL, keys: [key(line)] },
      { poolId: OTHER_POOL, keys: [key(line, OTHER_POOL)] },
    ],
    table: {},
    save: createGrantStore(path).save,
    now: () => performance.now(),
    newStamp: () => (files += 1),
    onChange: () => undefined,
    onDropped: (reason, count) => drops.set(reason, (drops.get(reason) ?? 0) + count),
    ...patch,
  });
  t.after(() => server.stop());
  assert.deepEqual(await server.start(), { ok: true, value: "listening" });
  return { server, path, drops };
}

function host(t: TestContext, hostId: string, keys: readonly PeerKey[] = [key(line)], poolId = POOL): WitnessClient {
  const client = createWitnessClient({
    poolId,
    hostId,
    witnesses: () => [{ host: FIRST, port: PORT }],
    now: () => performance.now(),
    onDropped: () => undefined,
  });
  client.setKeys(keys);
  t.after(() => client.stop());
  return client;
}

async function ask(client: WitnessClient, patch: Partial<WitnessRequest> = {}): Promise<WitnessAnswer | null> {
  const request = { ...REQUEST, ...patch };
  const [known] = patch.kind === undefined ? [null] : await client.ask({ request: REQUEST, stamps: [null] }, 5_000);
  const [answer] = await client.ask({ request, stamps: [known?.stamp ?? null] }, 5_000);
  return answer ?? null;
}

test("one of two hosts gets the grant, it is on the disk, and a restarted witness knows it", async (t) => {
  const { server, path } = await serve(t);
  const [a, b] = [host(t, "a"), host(t, "b")];
  assert.equal((await ask(a, { kind: "grant", epoch: 2 }))?.granted, true);
  const refused = await ask(b, { kind: "grant", epoch: 2 });
  assert.deepEqual([refused?.granted, refused?.holder], [false, "a"]);
  await server.stop();
  const loaded = await createGrantStore(path).load();
  assert.ok(loaded.ok && loaded.value !== null);
  await serve(t, { table: loaded.value });
  assert.equal((await ask(b))?.holder, "a");
  assert.equal((await ask(a, { kind: "release" }))?.holder, null);
});

test("a grant that cannot be written is not granted", async (t) => {
  const { server, drops } = await serve(t, { save: () => Promise.resolve({ ok: false, error: "no space" }) });
  const answer = await ask(host(t, "a"), { kind: "grant", epoch: 2 });
  assert.deepEqual([answer?.granted, answer?.holder], [false, null]);
  assert.match(answer?.refusal ?? "", /cannot write/);
  assert.deepEqual(server.table(), {});
  assert.equal(drops.get("the grants could not be written: no space"), 1);
});

test("two keys while they are exchanged; an old one and that of another pool are strangers", async (t) => {
  const next = newWitnessKey();
  const { server } = await serve(t);
  server.setPools([{ poolId: POOL, keys: [key(next), key(line)] }]);
  assert.notEqual(await ask(host(t, "a")), null);
  assert.notEqual(await ask(host(t, "b", [key(next), key(line)])), null);
  server.setPools([{ poolId: POOL, keys: [key(next)] }]);
  const [silent] = await host(t, "a").ask({ request: REQUEST, stamps: [null] }, 300);
  assert.equal(silent, null);
  const [foreign] = await host(t, "a", [key(next)], OTHER_POOL).ask({ request: REQUEST, stamps: [null] }, 300);
  assert.equal(foreign, null);
});

test("a witness that is not there is an answer of nothing, in time; without a key at once", async (t) => {
  const begun = performance.now();
  const [answer] = await host(t, "a").ask({ request: REQUEST, stamps: [null] }, 400);
  assert.equal(answer, null);
  assert.ok(performance.now() - begun >= 390);
  const [none] = await host(t, "a", []).ask({ request: REQUEST, stamps: [null] }, 60_000);
  assert.equal(none, null);
});

interface Stranger {
  readonly answers: Buffer[];
  send(bytes: Uint8Array): Promise<void>;
}

function stranger(t: TestContext): Stranger {
  const socket: Socket = createSocket("udp4");
  const answers: Buffer[] = [];
  socket.on("message", (bytes) => answers.push(bytes));
  t.after(() => socket.close());
  return {
    answers,
    send: (bytes) =>
      new Promise((resolve, reject) => {
        socket.send(bytes, PORT, FIRST, (error) => (error === null || error === undefined ? resolve() : reject(error)));
      }),
  };
}

function question(patch: Partial<WitnessPackets["witnessQuestion"]>, signer = key(line)): Buffer {
  const packet = { poolId: POOL, sender: "a", nonce: "0".repeat(32), seen: null, request: REQUEST, ...patch };
  const bytes = encodeWitness("witnessQuestion", packet, signer);
  assert.ok(bytes.ok);
  return bytes.value;
}

test("a replayed grant, a captured release and another pool's packet change nothing", async (t) => {
  const { server, drops } = await serve(t);
  const [a, b] = [host(t, "a"), host(t, "b")];
  const wire = stranger(t);
  const known = await ask(a);
  const grant = question({ seen: known?.stamp ?? null, request: { ...REQUEST, kind: "grant", epoch: 2 } });
  await wire.send(grant);
  await until(() => wire.answers.length === 1);
  const granted = decodeWitness("witnessAnswer", wire.answers[0] ?? Buffer.alloc(0), () => key(line));
  assert.ok(granted.ok && granted.value.packet.answer.granted);
  // The same packet again gets the same answer; after the release it is an old one, whatever its nonce.
  await wire.send(grant);
  await until(() => wire.answers.length === 2);
  assert.deepEqual(wire.answers[1], wire.answers[0]);
  const release = question({
    nonce: "1".repeat(32),
    seen: granted.value.packet.answer.stamp,
    request: { ...REQUEST, kind: "release" },
  });
  await wire.send(release);
  await until(() => wire.answers.length === 3);
  assert.equal((await ask(b, { kind: "grant", epoch: 2 }))?.granted, true);
  const before = server.table();
  for (const old of [grant, release]) await wire.send(old);
  await until(() => wire.answers.length === 5);
  assert.equal(server.table(), before);
  assert.equal((await ask(a))?.holder, "b");
  await wire.send(question({}, key(line, OTHER_POOL)));
  await until(() => drops.has("other pool"));
  assert.equal(server.table(), before);
});

test("garbage, cut, turned and giant packets: no crash, no change, no answer", async (t) => {
  const { server, drops } = await serve(t);
  const random = createRandom(1);
  const wire = stranger(t);
  const grant = question({ seen: 1, request: { ...REQUEST, kind: "grant", epoch: 2 } });
  const noise = (bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, () => random.int(256)));
  const packets: Buffer[] = [Buffer.alloc(0), Buffer.alloc(60_000, 1), Buffer.concat([grant, Buffer.alloc(9_000)])];
  for (let i = 0; i < 80; i++) {
    const turned = Buffer.from(grant);
    turned[random.int(turned.length)] = random.int(256);
    if (!turned.equals(grant)) packets.push(turned);
    packets.push(noise(random.int(600)), grant.subarray(0, random.int(grant.length)));
  }
  // Authentic, but not a question that makes sense.
  for (const patch of [
    { resources: [] },
    { epoch: -1 },
    { kind: "take" },
    { takeMs: 1e9 },
    { resources: ["__proto__"] },
  ])
    packets.push(question({ request: { ...REQUEST, ...patch } as WitnessRequest }));
  for (const packet of packets) {
    await wire.send(packet);
    // Below the limit per source, so that each of them is looked at.
    await delay(12);
  }
  assert.notEqual(await ask(host(t, "b")), null, "it still answers");
  assert.deepEqual(server.table(), {});
  assert.equal(wire.answers.length, 0);
  // A flood is cut off before any signature is computed, and reported with a count.
  for (let i = 0; i < 500; i++) await wire.send(grant.subarray(0, 100));
  await until(() => drops.has("rate limit"));
  assert.ok([...drops.values()].reduce((sum, n) => sum + n, 0) < 40, "one line per reason and minute");
});

test("the key file: 64 digits, at most two, for root's eyes; errors show nothing of it", async () => {
  const path = join(folder, "witness.key");
  writeFileSync(path, `# the witness\n${line}\n`, { mode: 0o600 });
  const read = await readWitnessKeys(path, POOL);
  assert.ok(read.ok && read.value.length === 1);
  writeFileSync(path, `${line}x\n`);
  const wrong = await readWitnessKeys(path, POOL);
  assert.ok(!wrong.ok && /64 hexadecimal/.test(wrong.error) && !wrong.error.includes(line));
  chmodSync(path, 0o644);
  const open = await readWitnessKeys(path, POOL);
  assert.ok(!open.ok && /chmod 600/.test(open.error));
});

test("a damaged table is an error, never an empty one", async () => {
  const path = join(folder, "damaged.json");
  const store = createGrantStore(path);
  assert.deepEqual(await store.load(), { ok: true, value: null });
  assert.ok((await store.save({ [POOL]: { iscsi1: { epoch: 1, owner: "a", grant: null } } })).ok);
  writeFileSync(path, readFileSync(path, "utf8").replace('"a"', '"b"'));
  const loaded = await store.load();
  assert.ok(!loaded.ok && /checksum/.test(loaded.error) && /move the file away/.test(loaded.error));
});

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) await delay(20);
  assert.ok(condition());
}
