// The conversation of heartbeats with one peer: what is new, what is a replay, which of my packets it heard. Sans-io:
// time and randomness are arguments. Never sees a packet whose signature was not checked, and never decides on safety:
// a late but unheard packet is accepted as "heard"; only `echoSentAt` tells how old the contact is.
//
//   no session ──(echoes my nonce)──► session(boot, incarnation)
//   session    ──(other boot, echoes my nonce | same boot, higher incarnation)──► new session, my nonce changes
//
// - Sequence numbers count per link, and the link's name is signed. Both links carry a copy of every round, so one
//   common window would drop the slower copy and make a healthy link look dead; without the signed name a copy taken
//   from one network could be played on the other.
// - A copy that is older than the newest packet still proves its link, but the body handed on never goes back.
// - My nonce changes with every new session, so packets of a boot that ended can't open its session again.
// - A higher incarnation of the same boot needs no proof: an older daemon of that boot can't have signed it.

import type { HeardHeartbeat, HeartbeatBody, Link } from "../../core/model/peer.ts";
import type { Instant, Millis } from "../../core/model/time.ts";
import type { Echo, HeartbeatPacket } from "./codec.ts";
import type { DropReason } from "./frame.ts";

export interface SessionOptions {
  readonly poolId: string;
  readonly hostId: string;
  readonly peerId: string;
  readonly bootId: string;
  readonly incarnation: number;
  /** 128 random bits, hexadecimal. */
  readonly newNonce: () => string;
}

export interface LinkHeard<Body = HeartbeatBody> extends Omit<HeardHeartbeat, "body"> {
  readonly body: Body;
  /** Time on the wire there and back for the newest echo; null without one. */
  readonly roundTripMs: Millis | null;
}

export type Incoming<Body = HeartbeatBody> =
  | { readonly kind: "heard"; readonly heard: LinkHeard<Body> }
  | { readonly kind: "dropped"; readonly reason: DropReason };

export interface PeerSession<Body = HeartbeatBody> {
  /** The next packet for this link; counts it as sent at `now`. */
  outgoing(link: Link, body: Body, now: Instant): HeartbeatPacket<Body>;
  /** Judges an authentic packet that arrived on this link. */
  incoming(packet: HeartbeatPacket<Body>, link: Link, now: Instant): Incoming<Body>;
}

interface Sent {
  readonly seq: number;
  readonly at: Instant;
  readonly link: Link;
}

interface Accepted {
  readonly seq: number;
  readonly at: Instant;
}

interface Remote<Body> {
  readonly bootId: string;
  readonly incarnation: number;
  readonly newest: Map<Link, Accepted>;
  body: { readonly seq: number; readonly value: Body };
}

/** Two links at four rounds a second: the table reaches back 64 s, far beyond every timer that looks at echoes. */
const rememberedSends = 512;
/** Old packets played back in turn must not crowd out the peer's true nonce at once. */
const rememberedNonces = 4;

export function createPeerSession<Body = HeartbeatBody>(options: SessionOptions): PeerSession<Body> {
  const sends: (Sent | undefined)[] = Array.from({ length: rememberedSends });
  let seq = 0;
  let nonce = options.newNonce();
  let peerNonces: readonly string[] = [];
  let remote: Remote<Body> | null = null;

  function echoes(now: Instant): readonly Echo[] {
    if (remote === null) return [];
    const { bootId, incarnation, newest } = remote;
    return [...newest.values()].map(({ seq: heard, at }) => ({
      bootId,
      incarnation,
      seq: heard,
      holdMs: Math.max(0, now - at),
    }));
  }

  function sentAs(echo: Echo): Sent | null {
    if (echo.bootId !== options.bootId || echo.incarnation !== options.incarnation) return null;
    const sent = sends[echo.seq % rememberedSends];
    return sent?.seq === echo.seq ? sent : null;
  }

  /** Null when the packet belongs to the running session or may open a new one. */
  function objection(packet: HeartbeatPacket<Body>, link: Link): DropReason | null {
    const proven = packet.echoedNonces.includes(nonce);
    if (remote === null || packet.bootId !== remote.bootId) return proven ? null : "unproven session";
    if (packet.incarnation < remote.incarnation) return "old incarnation";
    if (packet.incarnation > remote.incarnation) return null;
    return packet.seq > (remote.newest.get(link)?.seq ?? 0) ? null : "replay";
  }

  function accept(packet: HeartbeatPacket<Body>, link: Link, now: Instant): Remote<Body> {
    const same = remote?.bootId === packet.bootId && remote.incarnation === packet.incarnation ? remote : null;
    if (same === null) nonce = options.newNonce();
    const session: Remote<Body> = same ?? {
      bootId: packet.bootId,
      incarnation: packet.incarnation,
      newest: new Map(),
      body: { seq: packet.seq, value: packet.body },
    };
    session.newest.set(link, { seq: packet.seq, at: now });
    if (packet.seq > session.body.seq) session.body = { seq: packet.seq, value: packet.body };
    return session;
  }

  return {
    outgoing(link, body, now) {
      seq += 1;
      sends[seq % rememberedSends] = { seq, at: now, link };
      const { poolId, hostId: sender, bootId, incarnation } = options;
      return {
        poolId,
        sender,
        bootId,
        incarnation,
        link,
        seq,
        sentAtMs: now,
        echoes: echoes(now),
        nonce,
        echoedNonces: peerNonces,
        body,
      };
    },
    incoming(packet, link, now) {
      if (packet.poolId !== options.poolId) return dropped("other pool");
      if (packet.sender === options.hostId) return dropped("own packet");
      if (packet.sender !== options.peerId) return dropped("other sender");
      if (packet.link !== link) return dropped("other link");
      const reason = objection(packet, link);
      // An unproven session's nonce is echoed too: that is how a rebooted peer gets to know that I am not a replay.
      if (reason === null || reason === "unproven session") {
        peerNonces = [packet.nonce, ...peerNonces.filter((known) => known !== packet.nonce)].slice(0, rememberedNonces);
      }
      if (reason !== null) return dropped(reason);
      remote = accept(packet, link, now);
      const known = packet.echoes.flatMap((echo) => {
        const sent = sentAs(echo);
        return sent === null ? [] : [{ sent, holdMs: echo.holdMs }];
      });
      const newest = known.toSorted((a, b) => b.sent.seq - a.sent.seq)[0];
      return {
        kind: "heard",
        heard: {
          link,
          body: remote.body.value,
          echoSentAt: newest?.sent.at ?? null,
          linkEchoSentAt: known.find(({ sent }) => sent.link === link)?.sent.at ?? null,
          roundTripMs: newest === undefined ? null : Math.max(0, now - newest.sent.at - newest.holdMs),
          receivedAt: now,
        },
      };
    },
  };
}

function dropped(reason: DropReason): Incoming<never> {
  return { kind: "dropped", reason };
}
