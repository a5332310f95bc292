import assert from "node:assert/strict";
import { test } from "node:test";
import type { Link } from "../../../src/core/model/peer.ts";
import type { HeartbeatPacket } from "../../../src/drivers/peer/codec.ts";
import type { Incoming, LinkHeard, PeerSession } from "../../../src/drivers/peer/session.ts";
import { bootA, bootB, body, hostA, hostB, session } from "./samples.ts";

interface Side {
  readonly host: string;
  readonly boot: string;
  readonly incarnation: number;
  readonly session: PeerSession;
}
const side = (host: string, boot: string, incarnation = 1): Side => ({
  host,
  boot,
  incarnation,
  session: session(host, boot, incarnation),
});

function send(from: Side, link: Link, now: number, changes: Parameters<typeof body>[3] = {}): HeartbeatPacket {
  return from.session.outgoing(link, body(from.host, from.boot, from.incarnation, changes), now);
}

function heard(incoming: Incoming): LinkHeard {
  assert.equal(incoming.kind, "heard", incoming.kind === "dropped" ? incoming.reason : "");
  assert.ok(incoming.kind === "heard");
  return incoming.heard;
}

const droppedFor = (reason: string): Incoming => ({ kind: "dropped", reason }) as Incoming;

/** Two fresh daemons become acquainted over the management link: ends with A heard by B and B heard by A. */
function acquaint(a: Side, b: Side, at: number): void {
  b.session.incoming(send(a, "management", at), "management", at);
  heard(a.session.incoming(send(b, "management", at), "management", at));
  heard(b.session.incoming(send(a, "management", at), "management", at));
}

void test("two fresh daemons are in contact after one packet each way and one more", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  assert.deepEqual(b.session.incoming(send(a, "management", 0), "management", 5), droppedFor("unproven session"));
  const first = heard(a.session.incoming(send(b, "management", 10), "management", 15));
  assert.equal(first.echoSentAt, null, "B echoes nothing yet: it had not accepted A's first packet");
  const second = heard(b.session.incoming(send(a, "management", 20), "management", 25));
  assert.equal(second.echoSentAt, 10);
  const third = heard(a.session.incoming(send(b, "management", 30), "management", 35));
  assert.equal(third.echoSentAt, 20);
  assert.equal(third.linkEchoSentAt, 20);
  assert.equal(third.roundTripMs, 10);
});

void test("no packet is accepted twice", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  const packet = send(a, "management", 10);
  heard(b.session.incoming(packet, "management", 10));
  assert.deepEqual(b.session.incoming(packet, "management", 11), droppedFor("replay"));
  const next = send(a, "management", 20);
  heard(b.session.incoming(next, "management", 20));
  assert.deepEqual(b.session.incoming(packet, "management", 21), droppedFor("replay"));
});

void test("a copy from one network proves nothing about the other", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  const packet = send(a, "management", 10);
  assert.deepEqual(b.session.incoming(packet, "replication", 10), droppedFor("other link"));
});

void test("the slower network's copy counts for its link but never brings an older body back", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  const older = send(a, "replication", 10, { epoch: 7, serving: true });
  const newer = send(a, "management", 20, { epoch: 8, serving: false });
  assert.equal(heard(b.session.incoming(newer, "management", 20)).body.epoch, 8);
  const late = heard(b.session.incoming(older, "replication", 30));
  assert.equal(late.link, "replication");
  assert.equal(late.body.epoch, 8);
  assert.equal(late.body.serving, false);
});

void test("packets of a boot that ended cannot open its session again", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  const recorded = [send(a, "management", 10), send(a, "replication", 10), send(a, "management", 20)];
  const rebooted = side(hostA, "c".repeat(32));
  assert.deepEqual(
    b.session.incoming(send(rebooted, "management", 100), "management", 100),
    droppedFor("unproven session"),
  );
  rebooted.session.incoming(send(b, "management", 110), "management", 110);
  const back = heard(b.session.incoming(send(rebooted, "management", 120), "management", 120));
  assert.equal(back.body.bootId, "c".repeat(32));
  for (const packet of recorded) {
    assert.deepEqual(b.session.incoming(packet, packet.link, 130), droppedFor("unproven session"));
  }
  heard(b.session.incoming(send(rebooted, "management", 140), "management", 140));
});

void test("a daemon that restarted accepts no packet recorded before its start", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  const recorded = Array.from({ length: 20 }, (_, n) => send(a, "management", n));
  const restarted = side(hostB, bootB, 2);
  for (const packet of recorded) {
    assert.deepEqual(restarted.session.incoming(packet, "management", 50), droppedFor("unproven session"));
  }
});

void test("a restarted daemon of the same boot is accepted at once, its forerunner never again", () => {
  const [a, b] = [side(hostA, bootA, 1), side(hostB, bootB)];
  acquaint(a, b, 0);
  const forerunner = send(a, "management", 10);
  const restarted = side(hostA, bootA, 2);
  assert.equal(heard(b.session.incoming(send(restarted, "management", 20), "management", 20)).body.incarnation, 2);
  assert.deepEqual(b.session.incoming(forerunner, "management", 30), droppedFor("old incarnation"));
});

void test("an echo of an earlier incarnation or boot of mine is no contact", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  const echoing = send(b, "management", 10);
  assert.equal(echoing.echoes[0]?.seq, 2);
  const restarted = side(hostA, bootA, 2);
  send(restarted, "management", 20);
  send(restarted, "management", 20);
  // Give B's packet the proof it needs, so that only the echo is in question.
  const nonce = send(restarted, "management", 20).nonce;
  const incoming = restarted.session.incoming({ ...echoing, echoedNonces: [nonce] }, "management", 30);
  assert.equal(heard(incoming).echoSentAt, null);
});

void test("one-way loss is visible: the peer is heard, its echo stays at the last packet that got through", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  heard(b.session.incoming(send(a, "management", 100), "management", 100));
  for (let now = 200; now < 5000; now += 250) {
    send(a, "management", now);
    assert.equal(heard(a.session.incoming(send(b, "management", now), "management", now)).echoSentAt, 100);
  }
});

void test("an echo over the other network is contact, but not of this link", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  heard(b.session.incoming(send(a, "replication", 1000), "replication", 1000));
  const seen = heard(a.session.incoming(send(b, "management", 1100), "management", 1100));
  assert.equal(seen.echoSentAt, 1000);
  assert.equal(seen.linkEchoSentAt, 0);
});

void test("an echo older than the table, or of a packet never sent, is no contact", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  const echoing = send(b, "management", 10);
  for (let n = 0; n < 600; n += 1) send(a, "management", 20 + n);
  assert.equal(heard(a.session.incoming(echoing, "management", 700)).echoSentAt, null);
  const future = send(b, "management", 710);
  const invented = { ...future, echoes: [{ bootId: bootA, incarnation: 1, seq: 100_000, holdMs: 0 }] };
  assert.equal(heard(a.session.incoming(invented, "management", 720)).echoSentAt, null);
});

void test("another pool, my own packets and a third host are dropped and leave no trace", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  const mine = send(b, "management", 10);
  assert.deepEqual(b.session.incoming(mine, "management", 10), droppedFor("own packet"));
  const good = send(a, "management", 20);
  assert.deepEqual(b.session.incoming({ ...good, poolId: "other" }, "management", 20), droppedFor("other pool"));
  const stranger = { ...good, sender: "33333333-3333-4333-8333-333333333333" };
  assert.deepEqual(b.session.incoming(stranger, "management", 20), droppedFor("other sender"));
  assert.deepEqual(
    send(b, "management", 30).echoedNonces.filter((nonce) => nonce === mine.nonce),
    [],
  );
});

void test("a shower of recorded packets does not keep a rebooted peer out", () => {
  const [a, b] = [side(hostA, bootA), side(hostB, bootB)];
  acquaint(a, b, 0);
  const recorded = [send(a, "management", 1), send(a, "replication", 1)];
  const rebooted = side(hostA, "c".repeat(32));
  for (let now = 10; now < 50; now += 10) {
    for (const packet of recorded) b.session.incoming(packet, packet.link, now);
    b.session.incoming(send(rebooted, "management", now), "management", now);
    for (const packet of recorded) b.session.incoming(packet, packet.link, now);
    rebooted.session.incoming(send(b, "management", now), "management", now);
  }
  const seen = heard(b.session.incoming(send(rebooted, "management", 60), "management", 60));
  assert.equal(seen.body.bootId, "c".repeat(32));
});
