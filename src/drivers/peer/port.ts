// The peer link: signed heartbeats on both networks and the control RPC. Runs in the brain's worker thread.

import type { HeardHeartbeat, HeartbeatBody, Link, PeerReply, PeerRequest } from "../../core/model/peer.ts";
import type { Instant, Millis } from "../../core/model/time.ts";

export interface PeerAddress {
  readonly link: Link;
  readonly local: string;
  readonly remote: string;
  readonly port: number;
}

export interface PeerKeys {
  readonly keyId: number;
  readonly key: Uint8Array;
  /** Accepted, not used for sending, while keys rotate. */
  readonly previous: { readonly keyId: number; readonly key: Uint8Array } | null;
}

export interface PeerLinkOptions {
  readonly poolId: string;
  readonly hostId: string;
  readonly peerId: string;
  readonly bootId: string;
  readonly incarnation: number;
  readonly addresses: readonly PeerAddress[];
  readonly keys: PeerKeys;
  readonly now: () => Instant;
  readonly onHeartbeat: (heard: HeardHeartbeat) => void;
  /** An authentic request; `reply` may be called later, once, from any turn. */
  readonly onRequest: (request: PeerRequest, reply: (answer: PeerReply) => void) => void;
  /** The period of heartbeats in force, to count those that did not come. */
  readonly beatMs: () => Millis;
  /** Rate-limited reasons for dropped packets (bad signature, replay, wrong pool, too large …). */
  readonly onDropped: (reason: string, count: number) => void;
}

/** Heartbeats of one link since the daemon started. */
export interface LinkCounters {
  readonly link: Link;
  readonly sent: number;
  readonly received: number;
  /** Due by the sender's own clock, and never came (or were never sent, by a host that stalled). */
  readonly missed: number;
  /** Of the newest echo; null before the first. */
  readonly roundTripMs: Millis | null;
}

export interface PeerLink {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Sends one heartbeat with this body on every link, now. */
  beat(body: HeartbeatBody): void;
  /** Takes over rotated keys without a new session; `previous` stays accepted until the next call. */
  setKeys(keys: PeerKeys): void;
  counters(): readonly LinkCounters[];
  /** Tries every link in turn or together; a refusal by the peer is an answer, silence is not. */
  request(
    request: PeerRequest,
    timeoutMs: Millis,
  ): Promise<PeerReply | { readonly kind: "silent"; readonly reason: string }>;
}
