// The status document: what the daemon tells the command-line tools, the dashboard and the lab. Plain JSON.

import type { DrbdView } from "./drbd.ts";
import type { Flags, HaMode } from "./durable.ts";
import type { Policy } from "./config.ts";
import type { Link } from "./peer.ts";
import type { Millis } from "./time.ts";

export type HostState =
  | "DISABLED"
  | "MANUAL"
  | "MAINTENANCE"
  | "JOINING"
  | "STANDBY"
  | "OWNER"
  | "OWNER_SOLO"
  | "SUSPECT_O"
  | "SUSPECT_S"
  | "FENCED_SELF"
  | "TAKING"
  | "RELEASING"
  | "BLOCKED";

export interface ResourceStatus {
  readonly name: string;
  /** Null: unknown, `why` says. */
  readonly view: DrbdView | null;
  readonly why: string | null;
  readonly solo: boolean;
  readonly etaSeconds: number | null;
}

export interface HostStatus {
  readonly hostId: string;
  readonly name: string;
  readonly version: string;
  readonly state: HostState;
  /** One sentence a person can read: the outcome of the last decision; who is waited for, why, how long still. */
  readonly outcome: string;
  readonly ha: HaMode;
  readonly flags: Flags;
  readonly epoch: number;
  readonly owner: string | null;
  readonly serving: boolean;
  readonly eligible: boolean;
  readonly xapiRole: "master" | "supporter" | "unknown";
  readonly resources: readonly ResourceStatus[];
  readonly target: {
    readonly state: "running" | "stopped" | "unknown";
    readonly expected: "running" | "warm" | "stopped";
    readonly pid: number | null;
    readonly sessions: number | null;
  };
  readonly vip: {
    readonly address: string;
    readonly state: "local" | "peer" | "absent" | "elsewhere" | "unknown";
    readonly mac: string | null;
  };
  readonly watchdog: "armed" | "disarmed" | "unused";
  readonly domains: readonly { readonly uuid: string; readonly name: string; readonly paused: boolean }[];
  readonly pid: number | null;
  readonly drbdVersion: string | null;
}

export interface StatusEvent {
  /** Wall clock, for display. */
  readonly wallMs: number;
  readonly node: string;
  readonly event: string;
  readonly detail: string;
}

export interface StatusDocument {
  readonly protocol: 1;
  readonly wallMs: number;
  readonly policy: Policy;
  /** VOTE and STRICT+VOTE are not fencing; this sentence says so (protocol.md 1). */
  readonly policyNote: string;
  readonly own: HostStatus;
  /** From its last heartbeat; null before the first. Fields a heartbeat does not carry are "unknown". */
  readonly peer: HostStatus | null;
  readonly contact: {
    readonly inContact: boolean;
    readonly silentMs: Millis | null;
    readonly links: readonly { readonly link: Link; readonly lastHeardMs: Millis | null; readonly up: boolean }[];
  };
  readonly episode: {
    readonly sinceMs: Millis;
    readonly leaseLeftMs: Millis;
    readonly takeoverInMs: Millis | null;
    readonly vote: "held" | "lost" | "not-needed";
    readonly waitingFor: string;
  } | null;
  readonly heuristics: readonly { readonly address: string; readonly answering: boolean | null }[];
  /** Empty unless the policy is WITNESS. */
  readonly witnesses: readonly {
    readonly address: string;
    /** Null: not asked yet. */
    readonly answering: boolean | null;
    /** Host that holds the storage's grant there; null: none, or not known. */
    readonly holder: string | null;
  }[];
  readonly fencing: {
    readonly method: string;
    readonly enabled: boolean;
    readonly ready: boolean | null;
    readonly detail: string;
  };
  readonly alerts: readonly { readonly id: string; readonly sinceWallMs: number; readonly text: string }[];
  readonly events: readonly StatusEvent[];
  readonly hosts: readonly {
    readonly hostId: string;
    readonly name: string;
    readonly address: string;
    readonly live: boolean;
    readonly enabled: boolean;
    readonly master: boolean;
  }[];
  readonly vms: {
    readonly total: number;
    readonly protected: number;
    readonly running: number;
    readonly survivorHasRoom: boolean | null;
    /** Host failures after which every protected VM still finds room; null: not known. */
    readonly failuresTolerated: number | null;
    /** VMs that ought to run and do not, with what they wait for or why they stay down. */
    readonly down: readonly { readonly name: string; readonly because: string }[];
    readonly detail: string;
  };
}
