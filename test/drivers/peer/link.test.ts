import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import type { HeartbeatBody, PeerReply, PeerRequest } from "../../../src/core/model/peer.ts";
import { encodeHeartbeat } from "../../../src/drivers/peer/codec.ts";
import { peerKeys, type PeerKey } from "../../../src/drivers/peer/keys.ts";
import { createPeerLink, type TandemPeerLink } from "../../../src/drivers/peer/link.ts";
import type { PeerAddress } from "../../../src/drivers/peer/port.ts";
import { createFrameReader, decodeRpc, encodeRpc } from "../../../src/drivers/peer/rpc-codec.ts";
import type { LinkHeard } from "../../../src/drivers/peer/session.ts";
import { bootA, bootB, body, hostA, hostB, key, linkOf, onlyKey, otherKey, poolId, session } from "./samples.ts";

interface Host {
  readonly link: TandemPeerLink;
  readonly heard: LinkHeard[];
  readonly requests: PeerRequest[];
  readonly drops: Map<string, number>;
  readonly body: HeartbeatBody;
}

interface Setup {
  readonly name: "a" | "b";
  readonly port: number;
  readonly keys?: [PeerKey, PeerKey | null];
  readonly answer?: (request: PeerRequest, reply: (answer: PeerReply) => void) => void;
  readonly networks?: readonly ("management" | "replication")[];
}

let lastPort = 20_000 + (process.pid % 20_000);
const nextPort = (): number => (lastPort += 1);
const local = {
  a: { management: "127.0.81.1", replication: "127.0.82.1" },
  b: { management: "127.0.81.2", replication: "127.0.82.2" },
};

function addresses(setup: Setup): PeerAddress[] {
  const other = setup.name === "a" ? "b" : "a";
  return (setup.networks ?? ["management", "replication"]).map((link) => ({
    link,
    local: local[setup.name][link],
    remote: local[other][link],
    port: setup.port,
  }));
}

async function start(context: TestContext, setup: Setup): Promise<Host> {
  const options = linkOf(setup.name);
  const heard: LinkHeard[] = [];
  const requests: PeerRequest[] = [];
  const drops = new Map<string, number>();
  const [current, previous] = setup.keys ?? [key, null];
  const link = createPeerLink({
    ...options,
    addresses: addresses(setup),
    keys: peerKeys(current, previous),
    onHeartbeat: (heartbeat) => heard.push(heartbeat),
    onRequest(request, reply) {
      requests.push(request);
      (setup.answer ?? ((_request, done) => done({ kind: "done" })))(request, reply);
    },
    onDropped: (reason, count) => drops.set(reason, (drops.get(reason) ?? 0) + count),
  });
  await link.start();
  context.after(() => link.stop());
  return { link, heard, requests, drops, body: body(options.hostId, options.bootId, 1) };
}

/** Waits for a condition; the test fails with the sentence when it does not come true in five seconds. */
async function until(what: string, condition: () => boolean, meanwhile: () => void = () => undefined): Promise<void> {
  for (let round = 0; round < 250; round += 1) {
    if (condition()) return;
    meanwhile();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`never came true: ${what}`);
}

const inContactOnBoth = (host: Host): boolean =>
  (["management", "replication"] as const).every((link) =>
    host.heard.some((seen) => seen.link === link && seen.linkEchoSentAt !== null),
  );

void test("two links on two networks get into contact on both", async (context) => {
  const port = nextPort();
  const [a, b] = [await start(context, { name: "a", port }), await start(context, { name: "b", port })];
  await until(
    "contact both ways on both networks",
    () => inContactOnBoth(a) && inContactOnBoth(b),
    () => {
      a.link.beat(a.body);
      b.link.beat(b.body);
    },
  );
  assert.deepEqual(a.heard.at(-1)?.body, b.body);
});

void test("a peer that starts later is heard, and the addresses that do not exist yet are tried again", async (context) => {
  const port = nextPort();
  const drops = new Map<string, number>();
  const absent = createPeerLink({
    ...linkOf("a"),
    // An address that no interface of this machine has (TEST-NET-1).
    addresses: [{ link: "management", local: "192.0.2.1", remote: "192.0.2.2", port }],
    onHeartbeat: () => undefined,
    onRequest: (_request, reply) => reply({ kind: "done" }),
    onDropped: (reason, count) => drops.set(reason, count),
  });
  await absent.start();
  context.after(() => absent.stop());
  assert.deepEqual(absent.boundLinks(), []);
  assert.ok(drops.has("management socket: EADDRNOTAVAIL"), [...drops.keys()].join());
  absent.beat(body(hostA, bootA, 1));
  const outcome = await absent.request({ kind: "validate", token: "t" }, 300);
  assert.equal(outcome.kind, "silent");

  const [a, b] = [await start(context, { name: "a", port }), await start(context, { name: "b", port })];
  await until(
    "contact",
    () => inContactOnBoth(a),
    () => {
      a.link.beat(a.body);
      b.link.beat(b.body);
    },
  );
});

void test("a socket that another program holds is bound as soon as it is free", async (context) => {
  const port = nextPort();
  const blocker = createSocket("udp4");
  await new Promise<void>((resolve) => blocker.bind({ port, address: local.a.management, exclusive: true }, resolve));
  const a = await start(context, { name: "a", port, networks: ["management"] });
  assert.deepEqual(a.link.boundLinks(), []);
  blocker.close();
  await until("bound", () => a.link.boundLinks().length === 1);
});

void test("packets of another key, a foreign address and noise are dropped and counted, and none is heard", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  const peer = createSocket("udp4");
  const stranger = createSocket("udp4");
  context.after(() => [peer, stranger].forEach((socket) => socket.close()));
  await new Promise<void>((resolve) => peer.bind({ address: local.b.management }, resolve));
  await new Promise<void>((resolve) => stranger.bind({ address: "127.0.81.9" }, resolve));
  const genuine = session(hostB, bootB).outgoing("management", body(hostB, bootB, 1), 0);
  const [good, foreign] = [encodeHeartbeat(genuine, key), encodeHeartbeat(genuine, otherKey)];
  assert.ok(good.ok && foreign.ok);
  stranger.send(good.value, port, local.a.management);
  await until("foreign address", () => a.drops.has("foreign address"));
  peer.send(foreign.value, port, local.a.management);
  await until("unknown key", () => a.drops.has("unknown key"));
  peer.send(Buffer.from("hello"), port, local.a.management);
  await until("too short", () => a.drops.has("too short"));
  peer.send(Buffer.alloc(30_000, 1), port, local.a.management);
  await until("too large", () => a.drops.has("too large"));
  peer.send(good.value, port, local.a.management);
  await until("unproven session", () => a.drops.has("unproven session"));
  assert.deepEqual(a.heard, []);
});

void test("a flood from the peer's address is cut before the signatures and ends without a trace", async (context) => {
  const port = nextPort();
  const [a, b] = [
    await start(context, { name: "a", port, networks: ["management"] }),
    await start(context, { name: "b", port, networks: ["replication"] }),
  ];
  const flood = createSocket("udp4");
  context.after(() => flood.close());
  await new Promise<void>((resolve) => flood.bind({ address: local.b.management }, resolve));
  await until(
    "the limit is reached",
    () => a.drops.has("rate limit"),
    () => {
      for (let n = 0; n < 1000; n += 1) flood.send(Buffer.alloc(500, n % 251), port, local.a.management);
    },
  );
  assert.deepEqual(a.heard, []);
  await b.link.stop();
  const later = await start(context, { name: "b", port, networks: ["management"] });
  await until(
    "contact after the flood",
    () => a.heard.some(({ echoSentAt }) => echoSentAt !== null),
    () => {
      a.link.beat(a.body);
      later.link.beat(later.body);
    },
  );
});

void test("a request over both networks is carried out once and answered", async (context) => {
  const port = nextPort();
  const [a, b] = [await start(context, { name: "a", port }), await start(context, { name: "b", port })];
  const request: PeerRequest = { kind: "outdate", resource: "iscsi1", epoch: 7 };
  assert.deepEqual(await a.link.request(request, 3000), { kind: "done" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(b.requests, [request]);
});

void test("an answer given in a later turn arrives, a refusal is an answer", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  await start(context, {
    name: "b",
    port,
    answer: (_request, reply) => setTimeout(() => reply({ kind: "refused", reason: "I am the owner" }), 200),
  });
  const outcome = await a.link.request({ kind: "claim", epoch: 8, operator: false }, 3000);
  assert.deepEqual(outcome, { kind: "refused", reason: "I am the owner" });
});

void test("with one network gone the other carries the request", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  const b = await start(context, { name: "b", port, networks: ["replication"] });
  assert.deepEqual(await a.link.request({ kind: "validate", token: "t" }, 3000), { kind: "done" });
  assert.equal(b.requests.length, 1);
});

void test("a peer that starts during the request still gets it", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  const outcome = a.link.request({ kind: "validate", token: "t" }, 4000);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await start(context, { name: "b", port });
  assert.deepEqual(await outcome, { kind: "done" });
});

void test("nobody there, and a peer that never answers, are silence with a reason", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  const nobody = await a.link.request({ kind: "validate", token: "t" }, 300);
  assert.ok(nobody.kind === "silent");
  assert.match(nobody.reason, /no answer within 300 ms \(.*ECONNREFUSED/);
  const b = await start(context, { name: "b", port, answer: () => undefined });
  assert.equal((await a.link.request({ kind: "validate", token: "t" }, 400)).kind, "silent");
  assert.equal(b.requests.length, 1);
});

void test("a daemon with another key is neither asked nor answered", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  const b = await start(context, { name: "b", port, keys: [otherKey, null] });
  const outcome = await a.link.request({ kind: "validate", token: "t" }, 400);
  assert.ok(outcome.kind === "silent");
  assert.match(outcome.reason, /unknown key/);
  assert.deepEqual(b.requests, []);
});

/** Speaks the protocol by hand from B's address to A's server; resolves with what A said after the challenge. */
async function speak(port: number, build: (nonce: string) => Buffer): Promise<{ said: Buffer; sent: Buffer }> {
  const parties = { poolId, hostId: hostB, peerId: hostA };
  const socket = connect({ host: local.a.management, port, localAddress: local.b.management });
  const reader = createFrameReader();
  const rest: Buffer[] = [];
  let sent: Buffer | null = null;
  socket.on("data", (chunk: Buffer) => {
    if (sent !== null) return void rest.push(chunk);
    const hello = reader.push(chunk)?.[0];
    if (hello === undefined) return;
    const decoded = decodeRpc("hello", hello, onlyKey(key), parties);
    assert.ok(decoded.ok);
    sent = build(decoded.value.frame.nonce);
    socket.write(sent);
  });
  await new Promise((resolve) => socket.on("close", resolve).on("error", () => undefined));
  return { said: Buffer.concat(rest), sent: sent ?? Buffer.alloc(0) };
}

function request(
  nonce: string,
  changes: { id?: string; validForMs?: number; token?: string; recipient?: string } = {},
) {
  const frame = {
    poolId,
    sender: hostB,
    recipient: changes.recipient ?? hostA,
    id: changes.id ?? "1".repeat(32),
    nonce,
    clientNonce: "2".repeat(32),
    validForMs: changes.validForMs ?? 2000,
    request: { kind: "validate", token: changes.token ?? "t" } as const,
  };
  const encoded = encodeRpc("request", frame, key);
  assert.ok(encoded.ok);
  return encoded.value;
}

void test("a recorded request is not carried out again, nor one for another host, nor one whose sender gave up", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  const { said, sent } = await speak(port, (nonce) => request(nonce));
  assert.ok(said.length > 0);
  assert.equal(a.requests.length, 1);
  assert.equal((await speak(port, () => sent)).said.length, 0);
  assert.ok(a.drops.has("replay"));
  assert.equal((await speak(port, (nonce) => request(nonce, { recipient: hostB }))).said.length, 0);
  assert.ok(a.drops.has("other recipient"));
  assert.equal((await speak(port, (nonce) => request(nonce, { id: "3".repeat(32), validForMs: 0 }))).said.length, 0);
  assert.ok(a.drops.has("stale challenge"));
  assert.equal(a.requests.length, 1);
});

void test("the same request number gets the same answer without a second run, other content a refusal", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  const first = await speak(port, (nonce) => request(nonce));
  const second = await speak(port, (nonce) => request(nonce));
  assert.ok(first.said.equals(second.said));
  const reused = await speak(port, (nonce) => request(nonce, { token: "another" }));
  assert.match(reused.said.toString("latin1"), /refused.*already used/);
  assert.equal(a.requests.length, 1);
});

void test("noise, giant frames and many idle connections do no harm to the listener", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  for (const noise of [
    Buffer.alloc(10_000, 255),
    Buffer.from([0, 0, 0, 5, 1, 2, 3, 4, 5]),
    Buffer.from("GET / HTTP/1.0\r\n\r\n"),
  ]) {
    assert.equal((await speak(port, () => noise)).said.length, 0);
  }
  const idle = Array.from({ length: 40 }, () =>
    connect({ host: local.a.management, port, localAddress: local.b.management })
      .on("error", () => undefined)
      .resume(),
  );
  context.after(() => idle.forEach((socket) => socket.destroy()));
  await until("the connections above the limit are closed", () => idle.filter(({ closed }) => closed).length >= 24);
  for (const socket of idle) socket.destroy();
  const b = await start(context, { name: "b", port });
  assert.deepEqual(await b.link.request({ kind: "validate", token: "t" }, 4000), { kind: "done" });
  assert.equal(a.requests.length, 1);
});

void test("keys rotate one host after the other without loss of contact", async (context) => {
  const port = nextPort();
  const [a, b] = [await start(context, { name: "a", port }), await start(context, { name: "b", port })];
  const beatBoth = (): void => {
    a.link.beat(a.body);
    b.link.beat(b.body);
  };
  const freshContact = async (when: string): Promise<void> => {
    a.heard.length = 0;
    b.heard.length = 0;
    const from = performance.now();
    const fresh = (host: Host) => host.heard.some(({ echoSentAt }) => echoSentAt !== null && echoSentAt > from);
    await until(`contact ${when}`, () => fresh(a) && fresh(b), beatBoth);
    assert.deepEqual(await a.link.request({ kind: "validate", token: when }, 3000), { kind: "done" }, when);
    assert.deepEqual(await b.link.request({ kind: "validate", token: when }, 3000), { kind: "done" }, when);
  };
  await freshContact("before");
  a.link.setKeys(peerKeys(otherKey, key));
  await freshContact("while only A has the new key");
  b.link.setKeys(peerKeys(otherKey, key));
  await freshContact("while both have both");
  a.link.setKeys(peerKeys(otherKey, null));
  b.link.setKeys(peerKeys(otherKey, null));
  await freshContact("after");
});

void test("stopping ends requests as silent and frees the ports", async (context) => {
  const port = nextPort();
  const a = await start(context, { name: "a", port });
  const outcome = a.link.request({ kind: "validate", token: "t" }, 10_000);
  await a.link.stop();
  assert.equal((await outcome).kind, "silent");
  const again = await start(context, { name: "a", port });
  assert.equal(again.link.boundLinks().length, 2);
});
