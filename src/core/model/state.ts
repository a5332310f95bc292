// The whole memory of the decision function: plain data, so that it can be replayed, hashed and explored.

import type { AlarmId } from "./alarm.ts";
import type { CoreConfig } from "./config.ts";
import type { DrbdView } from "./drbd.ts";
import type { DurableRecord } from "./durable.ts";
import type { DomainFact, TargetFacts, XapiFacts } from "./event.ts";
import { unknown, type Observation } from "./observation.ts";
import type { Claim, Handover } from "./handover.ts";
import type { HeartbeatBody, Link, PeerRequest } from "./peer.ts";
import type { Instant } from "./time.ts";
import type { WitnessAnswer, WitnessRequest } from "./witness.ts";

export interface PeerState {
  /** Last two-way contact of this daemon's life. */
  readonly contactAt: Instant | null;
  /** Since when both hosts talk without an outage between. */
  readonly contactSince: Instant | null;
  /** Last authentic heartbeat, whether or not it echoes mine. */
  readonly heardAt: Instant | null;
  readonly linkHeardAt: Readonly<Record<Link, Instant | null>>;
  /** Both directions of this one link worked: the peer echoed on it what I sent on it. */
  readonly linkContactAt: Readonly<Record<Link, Instant | null>>;
  readonly body: HeartbeatBody | null;
  /** Newest sign of life of any kind (protocol.md 2). */
  readonly signAt: Instant | null;
}

export interface VoteState {
  /** All samples since the episode began passed and none was skipped. */
  readonly latched: boolean;
  readonly runSince: Instant | null;
  readonly lastPassedAt: Instant | null;
  readonly lastOk: boolean | null;
  readonly pending: { readonly id: number; readonly sentAt: Instant } | null;
  readonly nextAt: Instant | null;
  /** The peer was heard without hearing this host since the last contact (A27). */
  readonly oneWay: boolean;
}

/** What this host knows of the witnesses; unused unless the policy is WITNESS. */
export interface WitnessState {
  /** Newest round of answers, in the configuration's order, and when it was asked. */
  readonly answers: readonly (WitnessAnswer | null)[];
  readonly askedAt: Instant | null;
  /** Per witness the newest stamp it gave. */
  readonly stamps: readonly (number | null)[];
  /** A question besides the vote samples. */
  readonly pending: { readonly id: number; readonly kind: WitnessRequest["kind"]; readonly sentAt: Instant } | null;
  /** When each kind of question was asked last; null: not yet. */
  readonly asked: Readonly<Record<WitnessRequest["kind"], Instant | null>>;
  /** Newest refusal of a grant or release; null once one was not refused. */
  readonly refusal: string | null;
  /** A majority granted the storage to this host, and it did not give the grant back since. */
  readonly grantedAt: Instant | null;
}

export interface ProbeState {
  readonly pending: number | null;
  readonly nextAt: Instant | null;
  /** The last probe that found peer and floating IP silent, by the instant it was asked. */
  readonly silentAt: Instant | null;
  readonly askedAt: Instant | null;
  /** Somebody answers for the floating IP although the peer is silent. */
  readonly conflictMac: string | null;
}

export interface FenceState {
  readonly attempts: number;
  readonly pending: number | null;
  readonly nextAt: Instant | null;
  readonly verifiedAt: Instant | null;
  readonly lastFailure: string | null;
  /** When the device last called the peer off before it was told to switch it. No proof (V8); it only ends the waiting. */
  readonly offAt: Instant | null;
  /** An operator confirmed that the peer is off (A19). */
  readonly confirmed: boolean;
}

/** Why the peer's copy may be left behind: the proof a commit of `solo` stands on. */
export type Proof = "consent" | "left" | "vote" | "witness" | "fenced" | "operator" | "modes-forbid";

/** D3/D4 in progress: the owner makes "the peer's copy is barred" durable before its I/O resumes. */
export interface SoloCommit {
  readonly proof: Proof;
  readonly phase: "asking" | "persisting";
  readonly pending: number;
  readonly resources: readonly string[];
}

export type ActivityKind = "activate" | "release" | "stand-down" | "soft-fence" | "soft-fence-end";

/** A sequence of effects in stages (protocol.md 7); at most one at a time. */
export interface Activity {
  readonly kind: ActivityKind;
  readonly why: string;
  readonly stage: number;
  /** Effects of the current stage that have not ended yet. */
  readonly pending: readonly number[];
  readonly failed: string | null;
  readonly startedAt: Instant;
  /** Hand-over token (A9): on the releaser the one it gave, on the acquirer the one it must revalidate. */
  readonly token: string | null;
  /** Release: who gets the storage. */
  readonly to: "peer" | "nobody";
  /** What the first stage makes durable; null when that was done before. */
  readonly record: Partial<DurableRecord> | null;
  /** The stage's effects were asked for (a stage waits while another durable write is in flight). */
  readonly begun: boolean;
}

export interface PendingCommand {
  readonly id: number;
  readonly kind:
    | "enable"
    | "disable"
    | "manual"
    | "switch"
    | "become-primary"
    | "become-secondary"
    | "maintenance"
    | "leave"
    | "pause"
    | "resolve-split-brain";
  readonly startedAt: Instant;
  readonly phase: string;
  readonly pending: number | null;
  /** What the other host gave as its reason against it. */
  readonly said?: string;
}

/** Work for the peer that ends with an answer to its request. */
export interface OwedAnswer {
  readonly requestId: number;
  readonly kind: PeerRequest["kind"];
  readonly waitingFor: readonly number[];
  readonly failed: string | null;
  /** D11: copies to give up when what it waits for succeeded; nothing of them is touched before. */
  readonly discards?: { readonly resources: readonly string[]; readonly snapshot: boolean };
  /** What its effects told, for the answer. */
  readonly said?: string;
  /** A22: what must not be found here any more. */
  readonly domains?: readonly string[];
}

/** This daemon is about to stop (A7) or this host to leave (A13); final for `leaving`. */
export interface Stopping {
  readonly intent: "leaving" | "paused";
  /** `agreed`: nothing depends on this daemon any more, the watchdog is disarmed. `resuming`: nor on the next one until it is heard. */
  readonly phase: "asking" | "agreed" | "resuming";
  readonly since: Instant;
  /** When the other host was asked last whether it knows of the pause. */
  readonly askedAt?: Instant;
}

/** D18: what may take the storage away from its owner although both hosts talk. */
export type ReleaseCause = "management" | "target" | "disk" | "toolstack";

/** A22: VMs of a peer that lost its path to the storage and still talks. */
export interface Isolated {
  readonly phase: "asking" | "starting" | "done" | "failed";
  readonly id: number;
  readonly domains: readonly string[];
  readonly attempts: number;
  readonly at: Instant;
}

export interface State {
  readonly config: CoreConfig;
  readonly bootId: string;
  readonly incarnation: number;
  readonly startedAt: Instant;
  readonly lastTick: Instant;
  /** Largest recent tick gap beyond the period, and when it was seen (A8). */
  readonly lag: { readonly ms: number; readonly at: Instant };
  readonly nextId: number;
  readonly durable: DurableRecord;
  /** The highest epoch that writes which failed may have left on the disk; null: the disk holds `durable`. */
  readonly unsure: number | null;
  /** Not before this instant is anything written again: the last write failed. */
  readonly persistAfter: Instant;
  readonly persisting: { readonly id: number; readonly record: DurableRecord; readonly purpose: string } | null;
  readonly peer: PeerState;
  /** Send time of my newest echoed heartbeat, or DRBD evidence counted as now - T_drbd. */
  readonly leaseFrom: Instant | null;
  readonly drbdConnectedAt: Instant | null;
  readonly suspected: boolean;
  readonly dead: boolean;
  readonly votes: VoteState;
  readonly witness: WitnessState;
  readonly probes: ProbeState;
  readonly fence: FenceState;
  readonly drbd: Observation<Readonly<Record<string, DrbdView>>>;
  readonly target: Observation<TargetFacts>;
  readonly vip: Observation<"present" | "absent">;
  readonly domains: Observation<readonly DomainFact[]>;
  /** VMs of the pool that are not protected (spec part 6). */
  readonly unprotected: readonly string[];
  readonly xapi: Observation<XapiFacts>;
  readonly management: boolean;
  readonly managementLostAt: Instant | null;
  /** The toolstack of this host does not come back although it was restarted (D18). */
  readonly toolstackLost: boolean;
  readonly stopping: Stopping | null;
  /** D17: the pool master moved to the peer, the storage has not followed yet. */
  readonly following: boolean;
  /** D18: causes that had their one attempt and are not over yet. */
  readonly released: readonly ReleaseCause[];
  readonly isolated: Isolated | null;
  readonly watchdogArmed: boolean;
  readonly handlers: readonly { readonly handler: string; readonly resource: string; readonly since: Instant }[];
  /** Per resource: epoch in which a clean owner was seen while this copy was in sync, in this boot (A2); null never. */
  readonly syncedEpoch: number | null;
  readonly solo: SoloCommit | null;
  readonly activity: Activity | null;
  readonly handover: Handover | null;
  readonly claim: Claim | null;
  /** Both hosts are in manual mode and an operator said become-secondary here: the other host may take the storage by an
   * operator's word until this instant; then this host lets go in any case. */
  readonly yieldsUntil: Instant | null;
  readonly softFenced: boolean;
  /** The newest try to fence itself while authority is lost, how many there were, and what was told of it; null: none. */
  readonly selfFencing: { readonly at: Instant; readonly tries: number; readonly told: string } | null;
  /** This daemon has seen to it that no packet filter of an earlier one still silences the portal. */
  readonly portalCleared: boolean;
  readonly tokenAt: Instant | null;
  /** Not before this instant is the peer asked again to outdate its copy (D3). */
  readonly consentAfter: Instant;
  /** Not before this instant is a failed activation or claim tried again. */
  readonly retryAt: Instant;
  /** D16: the peer's initiators are kept out of the target. */
  readonly barred: boolean;
  readonly blocked: string | null;
  /** V10: since when DRBD holds I/O back here. */
  readonly suspendedSince: Instant | null;
  /** Since when DRBD of a resource tries no connection and nothing here brings it back. */
  readonly apartSince: Instant | null;
  /** What a person was told of and was not told the end of. */
  readonly alarms: readonly AlarmId[];
  readonly commands: readonly PendingCommand[];
  readonly owed: readonly OwedAnswer[];
  /** The peer's requests that wait for the durable write in flight. */
  readonly deferred: readonly { readonly id: number; readonly request: PeerRequest }[];
  /** Small repairs in flight (drbd up, target warm, resume-io, outdate …): action id by what it mends. */
  readonly repairs: Readonly<Record<string, { readonly id: number; readonly at: Instant; readonly failures: number }>>;
  readonly recovery: {
    readonly phase: "running" | "done" | "failed";
    readonly id: number;
    readonly attempts: number;
    readonly at: Instant;
  } | null;
  readonly promotion: {
    readonly phase: "running" | "done" | "failed";
    readonly id: number;
    readonly attempts: number;
    readonly at: Instant;
    /** The VMs of a host that left were asked to be reset in this database (A13). */
    readonly reset?: true;
  } | null;
  readonly designate: boolean;
  /** D15: automatic moves of the storage that count (A23); those of an earlier daemon as if at the start of this one. */
  readonly moves: readonly Instant[];
  readonly lastMasterId: string | null;
  readonly targetDeaths: readonly Instant[];
}

export function initialState(
  config: CoreConfig,
  durable: DurableRecord,
  bootId: string,
  incarnation: number,
  now: Instant,
  exchanged = false,
): State {
  return {
    config,
    bootId,
    incarnation,
    startedAt: now,
    lastTick: now,
    lag: { ms: 0, at: now },
    nextId: 1,
    durable,
    persisting: null,
    unsure: null,
    persistAfter: now,
    peer: {
      contactAt: null,
      contactSince: null,
      heardAt: null,
      linkHeardAt: { management: null, replication: null },
      linkContactAt: { management: null, replication: null },
      body: null,
      signAt: null,
    },
    leaseFrom: null,
    drbdConnectedAt: null,
    suspected: false,
    dead: false,
    votes: freshVotes,
    witness: freshWitness,
    probes: freshProbes,
    fence: freshFence,
    drbd: unknown("not looked at yet", now),
    target: unknown("not looked at yet", now),
    vip: unknown("not looked at yet", now),
    domains: unknown("not looked at yet", now),
    unprotected: [],
    xapi: unknown("not asked yet", now),
    management: true,
    managementLostAt: null,
    toolstackLost: false,
    stopping: exchanged ? { intent: "paused", phase: "resuming", since: now } : null,
    following: false,
    released: [],
    isolated: null,
    watchdogArmed: false,
    handlers: [],
    syncedEpoch: null,
    solo: null,
    activity: null,
    handover: null,
    claim: null,
    yieldsUntil: null,
    softFenced: false,
    selfFencing: null,
    portalCleared: false,
    tokenAt: null,
    consentAfter: now,
    retryAt: now,
    barred: false,
    blocked: null,
    suspendedSince: null,
    apartSince: null,
    alarms: [],
    commands: [],
    owed: [],
    deferred: [],
    repairs: {},
    recovery: null,
    promotion: null,
    designate: false,
    moves: Array.from({ length: durable.takeovers }, () => now),
    lastMasterId: null,
    targetDeaths: [],
  };
}

export const freshVotes: VoteState = {
  latched: true,
  runSince: null,
  lastPassedAt: null,
  lastOk: null,
  pending: null,
  nextAt: null,
  oneWay: false,
};
export const freshWitness: WitnessState = {
  answers: [],
  askedAt: null,
  stamps: [],
  pending: null,
  asked: { query: null, grant: null, release: null },
  refusal: null,
  grantedAt: null,
};
export const freshProbes: ProbeState = {
  pending: null,
  nextAt: null,
  silentAt: null,
  askedAt: null,
  conflictMac: null,
};
export const freshFence: FenceState = {
  attempts: 0,
  pending: null,
  nextAt: null,
  verifiedAt: null,
  lastFailure: null,
  offAt: null,
  confirmed: false,
};
