// What the two threads of the daemon tell one another. The brain decides and beats; the hands look and act.

import type { CoreConfig } from "../../core/model/config.ts";
import type { DurableRecord } from "../../core/model/durable.ts";
import type { Event } from "../../core/model/event.ts";
import type { State } from "../../core/model/state.ts";
import type { HostState } from "../../core/model/status.ts";
import type { Explanation } from "../../core/explain.ts";
import type { Evidence } from "../../core/evidence.ts";
import type { EpisodeView } from "../../core/view.ts";
import type { Action } from "../../core/plan/action.ts";
import type { Millis } from "../../core/model/time.ts";
import type { LinkCounters, PeerAddress, PeerKeys } from "../../drivers/peer/port.ts";
import type { FromPoolBrain, PoolBrainStart, PoolOutsideEvent } from "./pool-brain.ts";
import type { Pulses } from "./pulse.ts";
import type { TurnCounters } from "./turn-times.ts";

/** Events the hands may send: everything but what the brain makes itself. */
export type OutsideEvent = Exclude<Event, { readonly kind: "tick" | "heartbeat" | "reply" | "request" }>;

/** Actions that end in the brain's own thread and never reach the hands. */
export type InnerAction = Action & {
  readonly kind: "beat" | "token" | "ask" | "answer" | "watchdog-arm" | "watchdog-disarm";
};
export type OuterAction = Exclude<Action, InnerAction>;

export interface BrainStart {
  readonly config: CoreConfig;
  readonly durable: DurableRecord;
  readonly bootId: string;
  readonly incarnation: number;
  readonly exchanged: boolean;
  readonly addresses: readonly PeerAddress[];
  readonly keys: PeerKeys;
  readonly watchdogDevice: string | null;
  readonly pulses: Pulses;
  /** Null in a pool of two hosts. */
  readonly pool: PoolBrainStart | null;
}

/** The brain of a host that holds no copy of the storage. */
export interface MemberStart {
  readonly pool: PoolBrainStart;
  readonly watchdogDevice: string | null;
  readonly pulses: Pulses;
}

export type ToBrain =
  | { readonly kind: "event"; readonly event: OutsideEvent }
  | { readonly kind: "pool-event"; readonly event: PoolOutsideEvent }
  /** The pool secret was rotated, or the old key is given up. */
  | { readonly kind: "keys"; readonly keys: PeerKeys }
  /** Somebody looks: a snapshot now. */
  | { readonly kind: "show" }
  | { readonly kind: "stop" };

/** What status, explain and the executor's second look need to know of the decision. */
export interface Snapshot {
  readonly state: State;
  readonly hostState: HostState;
  readonly outcome: string;
  readonly serving: boolean;
  readonly eligible: boolean;
  readonly inContact: boolean;
  readonly silenceMs: number | null;
  readonly links: readonly {
    readonly link: "management" | "replication";
    readonly lastHeardMs: number | null;
    readonly up: boolean;
  }[];
  readonly episode: EpisodeView | null;
  /** Of every channel, while the other host is suspected. */
  readonly evidence: readonly Evidence[] | null;
  /** Everything that holds this host back at this moment, a sentence per rule. */
  readonly explanations: readonly Explanation[];
  /** D7 at this moment: undefined means the peer's VMs may be started here. */
  readonly restartRefusal: string | null;
  readonly promotionRefusal: string | null;
  /** Null: VMs that ought to run may be started by this host. */
  readonly ownVmsRefusal: string | null;
  /** For metrics. */
  readonly counts: {
    readonly leaseLeftMs: Millis;
    readonly links: readonly LinkCounters[];
    readonly turns: TurnCounters;
  };
}

export type FromBrain =
  | { readonly kind: "ready" }
  | { readonly kind: "actions"; readonly actions: readonly OuterAction[] }
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  /** The other host's word is late: a vote sample may be asked for soon. */
  | { readonly kind: "uneasy" }
  | FromPoolBrain
  | { readonly kind: "bug"; readonly text: string };
