// What two daemons tell one another: the heartbeat, and the requests of the control RPC (protocol.md 3).

import type { DiskState, DrbdRole, Generation } from "./drbd.ts";
import type { Flags, HaMode } from "./durable.ts";
import type { Instant, Millis } from "./time.ts";

/** The two networks heartbeats travel on. */
export type Link = "management" | "replication";

/** What a host is about to do; `leaving` covers only what is released and expires (A13). */
export type Intent = "none" | "leaving" | "releasing" | "fencing" | "paused";

export interface ResourceSummary {
  readonly role: DrbdRole;
  readonly disk: DiskState;
  readonly peerDisk: DiskState;
  /** "The peer's copy is behind or barred since this epoch", per resource (A16). */
  readonly solo: boolean;
  readonly generation: Generation | null;
  /** For display, and only while StandAlone: what this copy has that the other one lacks, and when it was written last. */
  readonly outOfSyncKiB?: number;
  readonly lastWriteWallMs?: number;
}

/** The part of a heartbeat that the decision function sees; the driver has checked signature, pool, replay and size. */
export interface HeartbeatBody {
  readonly hostId: string;
  readonly bootId: string;
  readonly incarnation: number;
  readonly epoch: number;
  readonly owner: string | null;
  readonly ha: HaMode;
  readonly flags: Flags;
  readonly cfgHash: string;
  /** The sender serves: Primary, exported, floating IP, nothing suspended. */
  readonly serving: boolean;
  /** The sender is changing its own state (activation, release), or starting VMs that its `domains` do not name yet. */
  readonly busy: boolean;
  readonly joined: boolean;
  readonly resources: Readonly<Record<string, ResourceSummary>>;
  readonly vote: boolean;
  readonly eligible: boolean;
  readonly watchdogArmed: boolean;
  readonly intent: Intent;
  /** The sender's management network works (gateway or peer reachable there). */
  readonly management: boolean;
  /** UUIDs of the protected domains that execute on the sender (sorted). */
  readonly domains: readonly string[];
  readonly xapi: "master" | "supporter" | "unknown";
  /** A13: the sender leaves and gave everything back; it looked, and no domain runs on it. Missing: not so, or not known. */
  readonly vacated?: true;
}

/** A heartbeat as the driver hands it to the core. */
export interface HeardHeartbeat {
  readonly link: Link;
  readonly body: HeartbeatBody;
  /** When my newest heartbeat that this one echoes was sent, on my clock; null when it echoes none of this boot. */
  readonly echoSentAt: Instant | null;
  /** Like `echoSentAt`, counting only heartbeats that I sent on this same link: proof of both directions of it. */
  readonly linkEchoSentAt: Instant | null;
  readonly receivedAt: Instant;
}

/** Requests of the control RPC. Every one is idempotent; the transport adds request id, nonce and HMAC. */
export type PeerRequest =
  /** D3: make your copy Outdated, durably; answer only then. */
  | { readonly kind: "outdate"; readonly resource: string; readonly epoch: number }
  /** A9: the storage is released to you with this single-use token. */
  | {
      readonly kind: "acquire";
      readonly token: string;
      readonly epoch: number;
      readonly deadlineMs: Millis;
      readonly automatic: boolean;
    }
  /** A9: asked by the acquirer just before `drbdadm primary`. */
  | { readonly kind: "validate"; readonly token: string }
  /** D13: nobody owns the storage; I will, in this epoch. Answered only after the other side made it durable. */
  | { readonly kind: "claim"; readonly epoch: number; readonly operator: boolean }
  /** A9: take the release back; answered only after the refusal is durable. */
  | { readonly kind: "cancel"; readonly token: string; readonly epoch: number }
  /** Operator at the other host asks the owner to hand the storage over to `to`. */
  | { readonly kind: "hand-over"; readonly to: string; readonly operator: string }
  /** D1, A4: first phase of a change of the HA mode. */
  | { readonly kind: "prepare-mode"; readonly ha: HaMode; readonly operator: string }
  /** D1, A4: second phase. */
  | { readonly kind: "commit-mode"; readonly ha: HaMode }
  /** D11: a person chose my data; give your copies of these up and let yourself be filled. Answered when DRBD was told. */
  | {
      readonly kind: "discard";
      readonly resources: readonly string[];
      readonly epoch: number;
      readonly snapshot: boolean;
    }
  /** A7: my daemon is about to stop; you know it and act neither against nor for this host until it is back. */
  | { readonly kind: "pause" }
  /** D7 with contact (A22): stop these stalled domains; answer only when none of them executes on you any more. */
  | { readonly kind: "confirm-gone"; readonly domains: readonly string[] };

/** `said`: what the asking operator should know of how it was done. */
export type PeerReply =
  { readonly kind: "done"; readonly said?: string } | { readonly kind: "refused"; readonly reason: string };
