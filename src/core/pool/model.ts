// The pool beyond the storage pair: what its hosts tell one another, and what one of them remembers. Plain data.
//
// Hosts that hold a copy of the storage keep the protocol of the pair (src/core/decide); here they are voters and, while
// they own the storage, the leader. Everybody else is a member: it runs VMs, votes, and reports to the leader.

import type { Policy, Timers } from "../model/config.ts";
import type { DurableRecord, HaMode } from "../model/durable.ts";
import type { DomainFact, XapiFacts } from "../model/event.ts";
import type { Observation } from "../model/observation.ts";
import type { FenceState } from "../model/state.ts";
import type { Instant, Millis } from "../model/time.ts";
import type { RuleSwitches } from "../rules.ts";

export interface PoolConfig extends RuleSwitches {
  readonly hostId: string;
  /** Every host of the pool, this one included, sorted. */
  readonly hosts: readonly string[];
  /** The two hosts that hold the storage; empty: the pool has no storage of ours and elects its leader. */
  readonly storageHosts: readonly string[];
  readonly cfgHash: string;
  readonly policy: Policy;
  readonly timers: Timers;
  readonly fenceEnabled: boolean;
  readonly quorumRequired: boolean;
  readonly minHosts: number;
  /** SLAVE_HA and PROMOTE_SLAVE of this host. */
  readonly mayRestart: boolean;
  readonly mayLead: boolean;
  readonly rebootLoneHost: boolean;
  readonly watchdogUsed: boolean;
  /** Why this host must not act on the loss of another one; absent: it may. */
  readonly disarmed?: string;
}

/** `paused`: the daemon alone stops, the VMs run on (A7). `leaving`: the host goes down and has given everything back (A13). */
export type MemberIntent = "none" | "paused" | "leaving";

/** One beat from host to host. Session and signature are the driver's; `supports` is meant for the one receiver. */
export interface MemberBeat {
  readonly hostId: string;
  readonly bootId: string;
  readonly incarnation: number;
  /** To be answered at once, with a beat that asks for nothing. */
  readonly asks: boolean;
  readonly epoch: number;
  /** Who leads the pool in this epoch, as the sender knows or votes. */
  readonly leader: string | null;
  /** How long ago the sender's right to lead was last proven; null: it does not lead. */
  readonly authorityMs: Millis | null;
  /** A leader that has heard a majority since it leads: nobody knows of a death that it does not know. */
  readonly informed: boolean;
  /** The sender counts the receiver among the living: it neither bars it nor may have forgotten that it does (A17). */
  readonly supports: boolean;
  readonly ha: HaMode;
  readonly maintenance: boolean;
  readonly intent: MemberIntent;
  readonly cfgHash: string;
  readonly watchdogArmed: boolean;
  /** Every domain of the sender stands still (D8). */
  readonly fenced: boolean;
  /** The sender could lead a pool without storage of ours. */
  readonly mayLead: boolean;
  /** Leader: hosts the pool is to bar. Voter: hosts it bars. */
  readonly barred: readonly string[];
  /** Hosts whose VMs were, or may have been, started elsewhere: none of their domains may run on. */
  readonly dead: readonly string[];
  /** Leader of a pool that elects: who reports are sent to besides, because it is the next to stand. */
  readonly successor: string | null;
  /** Null: the sender could not look. */
  readonly domains: readonly string[] | null;
  readonly xapi: "master" | "supporter" | "unknown";
  /** The host that the sender's toolstack takes for the pool's master. */
  readonly masterId: string | null;
}

export interface HeardBeat {
  readonly body: MemberBeat;
  /** When my newest beat that this one echoes was sent, on my clock; null when it echoes none. */
  readonly echoSentAt: Instant | null;
  readonly receivedAt: Instant;
}

/** What the protocol of the pair says on a storage host. */
export interface PairFacts {
  /** This host serves the storage, and no other host may at this instant. */
  readonly authority: boolean;
  readonly epoch: number;
  readonly owner: string | null;
  readonly ha: HaMode;
  readonly maintenance: boolean;
  /** The other storage host is proven to be without power. */
  readonly peerOff: boolean;
}

export type PoolCommand =
  | { readonly kind: "disable" | "pause" | "leave" }
  | { readonly kind: "enable"; readonly force: boolean }
  | { readonly kind: "maintenance"; readonly on: boolean }
  /** A person says that this host has no power (A19). */
  | { readonly kind: "confirm-off"; readonly hostId: string };

export type PoolEvent =
  | { readonly kind: "tick" }
  | { readonly kind: "beat"; readonly heard: HeardBeat }
  | { readonly kind: "pair"; readonly facts: PairFacts }
  | { readonly kind: "domains"; readonly domains: Observation<readonly DomainFact[]> }
  | { readonly kind: "xapi"; readonly xapi: Observation<XapiFacts> }
  | { readonly kind: "watchdog"; readonly armed: boolean }
  | { readonly kind: "result"; readonly id: number; readonly ok: boolean; readonly detail: string }
  | { readonly kind: "command"; readonly id: number; readonly command: PoolCommand }
  | { readonly kind: "config"; readonly config: PoolConfig };

/** What an effect is, before it gets its id; its end comes back as a `result`. */
export type PoolEffectBody =
  | { readonly kind: "persist"; readonly record: DurableRecord }
  | { readonly kind: "pause-domains" }
  | { readonly kind: "unpause-domains"; readonly destroy: readonly string[] }
  | { readonly kind: "destroy-domains"; readonly domains: readonly string[] }
  | { readonly kind: "fence"; readonly hostId: string }
  | { readonly kind: "watchdog-arm" }
  | { readonly kind: "watchdog-disarm" }
  | { readonly kind: "xapi-promote" }
  /** `pool.recover_slaves`: every reachable host becomes a supporter of this master. */
  | { readonly kind: "recover-supporters" }
  /** D7: declares the host dead in XAPI and starts its VMs on these hosts. Asked for permission before each start. */
  | { readonly kind: "recover-host"; readonly hostId: string; readonly survivors: readonly string[] };

export type PoolAction =
  | (PoolEffectBody & { readonly id: number })
  | { readonly kind: "beat"; readonly to: string; readonly asks: boolean }
  | { readonly kind: "token" }
  | {
      readonly kind: "command-reply";
      readonly id: number;
      readonly outcome: "done" | "refused" | "failed";
      readonly rule: string | null;
      readonly text: string;
      readonly next: string;
    }
  | { readonly kind: "log"; readonly level: "info" | "warn" | "error"; readonly event: string; readonly detail: string }
  | { readonly kind: "alert"; readonly id: string; readonly text: string }
  | { readonly kind: "alert-over"; readonly id: string };

/** One try after another of something that takes long. */
export interface Attempt {
  readonly phase: "running" | "done" | "failed";
  readonly id: number;
  readonly attempts: number;
  readonly at: Instant;
}

/** Another host, as this one knows it. The second half is used while this host leads. */
export interface Neighbour {
  readonly heardAt: Instant | null;
  /** The newest beat that proved both directions. */
  readonly contactAt: Instant | null;
  readonly body: MemberBeat | null;
  /** When my newest beat was sent that it answered. */
  readonly answeredAt: Instant | null;
  /** The same for an answer with its support, and with "you lead, in this epoch". */
  readonly supportAt: Instant | null;
  readonly followAt: Instant | null;
  /** The newest instant, on my clock, at which it was proven to lead. */
  readonly authorityAt: Instant | null;
  /** Since when the pool is asked to bar it, and since when enough hosts do. */
  readonly barSince: Instant | null;
  readonly quorumAt: Instant | null;
  readonly fence: FenceState;
  readonly recovery: Attempt | null;
  /** A person was told that it is lost and that nothing can be done by itself. */
  readonly told: boolean;
}

/** This daemon stops (A7) or its host leaves (A13). */
export interface Departure {
  readonly intent: "paused" | "leaving";
  readonly commandId: number;
  readonly since: Instant;
  readonly agreed: boolean;
}

/** Maintenance that begins: its word is given when it is durable and the others know it (D1). */
export interface Maintaining {
  readonly commandId: number;
  readonly since: Instant;
  /** When the record was on disk; null: not yet. */
  readonly writtenAt: Instant | null;
}

export interface PoolState {
  readonly config: PoolConfig;
  readonly bootId: string;
  readonly incarnation: number;
  readonly startedAt: Instant;
  readonly lastTick: Instant;
  /** The last time this host woke from a stall (D10). */
  readonly awakeAt: Instant;
  readonly nextId: number;
  /** A storage host's own record belongs to the pair; here it mirrors epoch, owner and mode. */
  readonly durable: DurableRecord;
  readonly persisting: { readonly id: number; readonly record: DurableRecord } | null;
  /** What a leader said or a vote gives, and the record does not say yet. */
  readonly follow: Pick<DurableRecord, "epoch" | "owner" | "ha"> | null;
  readonly pair: PairFacts | null;
  readonly neighbours: Readonly<Record<string, Neighbour>>;
  readonly beatAt: Instant | null;
  /** What the others must know at once changed. */
  readonly urgent: boolean;
  /** Whom this host bars, and whom it knows to be dead. */
  readonly bars: readonly string[];
  readonly dead: readonly string[];
  /** The newest of what keeps this host's VMs alive (D8); null: nothing since the start. */
  readonly leaseFrom: Instant | null;
  /** A leader told this daemon whom the pool bars (A17). */
  readonly settled: boolean;
  /** Since when this host leads, and since when it looks for votes. */
  readonly leadsSince: Instant | null;
  readonly standsSince: Instant | null;
  /** This daemon wrote a vote for itself and has not asked for the others' yet: one question per epoch. */
  readonly freshVote: boolean;
  /** When this daemon wrote its newest vote, its own included. */
  readonly votedAt: Instant;
  /** Not before this instant does it stand again. */
  readonly standAt: Instant;
  readonly domains: Observation<readonly DomainFact[]>;
  readonly xapi: Observation<XapiFacts>;
  readonly watchdogArmed: boolean;
  readonly tokenAt: Instant | null;
  readonly softFenced: boolean;
  /** What is under way with this host's own domains or its watchdog. */
  readonly doing: { readonly kind: PoolEffectBody["kind"]; readonly id: number } | null;
  readonly retryAt: Instant;
  readonly departure: Departure | null;
  /** A person asked for maintenance, and the other hosts have not all heard of it yet. */
  readonly maintaining: Maintaining | null;
  readonly promotion: Attempt | null;
  readonly supporters: Attempt | null;
}
