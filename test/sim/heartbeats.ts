// Heartbeats between the simulated daemons, with the session rules of drivers/peer/session.ts: numbers count per link, a
// new session must echo my nonce, a body never goes back, an echo counts only for this life of the daemon.

import type { HeardHeartbeat } from "../../src/core/model/peer.ts";
import { heartbeatOf } from "../../src/core/heartbeat.ts";
import { copies, LINKS, passes } from "./network.ts";
import { other } from "./settings.ts";
import { awake, type Host, type Packet, type Sim } from "./sim.ts";
import { localNow } from "./stage.ts";

const REMEMBERED_SENDS = 256;

export function beat(sim: Sim, h: Host): void {
  if (h.state === null || !awake(sim, h)) return;
  h.beatAt = sim.now;
  const now = localNow(sim, h);
  const body = heartbeatOf(h.state, now);
  const peer = sim.hosts[other(h.name)];
  const { session } = h;
  const heard = session.peer;
  const echo = heard === null ? null : { session: heard.session, seq: heard.heardSeq, newest: { ...heard.newest } };
  const seq = ++session.seq;
  session.sentAt.set(seq, now);
  session.sentAt.delete(seq - REMEMBERED_SENDS);
  for (const link of LINKS) {
    if (!passes(sim.network, link, h.name)) continue;
    const packet: Packet = {
      from: h.name,
      link,
      session: session.id,
      nonce: session.nonce,
      knows: session.peerNonces,
      seq,
      echo,
      body,
    };
    for (const delay of copies(sim.network.quality[link], sim.random))
      sim.after(delay, () => arrive(sim, peer, packet));
  }
}

function arrive(sim: Sim, h: Host, packet: Packet): void {
  if (!h.power || h.state === null) return;
  if (awake(sim, h)) {
    sim.heartbeatArrived();
    return receive(sim, h, packet);
  }
  const { daemons } = h;
  if (h.inbox.length < 2_000)
    h.inbox.push(() => {
      if (h.daemons === daemons) receive(sim, h, packet);
    });
}

function receive(sim: Sim, h: Host, packet: Packet): void {
  const { session } = h;
  const { peer } = session;
  const same = peer?.session === packet.session;
  // Sessions are numbered in the order in which they began; an older one is a replay.
  if (!same && peer !== null && packet.session < peer.session) return;
  const proven = same || packet.knows.includes(session.nonce);
  if (!session.peerNonces.includes(packet.nonce))
    session.peerNonces = [packet.nonce, ...session.peerNonces].slice(0, 4);
  if (!proven) return;
  if (!same) {
    session.peer = {
      session: packet.session,
      newest: { management: 0, replication: 0 },
      body: { seq: packet.seq, value: packet.body },
      heardSeq: 0,
    };
    session.nonce = sim.nextId++;
  }
  const talk = session.peer;
  if (talk === null || packet.seq <= talk.newest[packet.link]) return;
  talk.newest[packet.link] = packet.seq;
  talk.heardSeq = Math.max(talk.heardSeq, packet.seq);
  if (packet.seq > talk.body.seq) talk.body = { seq: packet.seq, value: packet.body };
  const sentAs = (seq: number | undefined): number | null =>
    seq === undefined ? null : (session.sentAt.get(seq) ?? null);
  const echo = packet.echo?.session === session.id ? packet.echo : null;
  const heard: HeardHeartbeat = {
    link: packet.link,
    body: talk.body.value,
    echoSentAt: sentAs(echo?.seq),
    linkEchoSentAt: sentAs(echo?.newest[packet.link]),
    receivedAt: localNow(sim, h),
  };
  sim.feed(h, { kind: "heartbeat", heard });
}
