// What the tools show besides the status: preflight checks, flags of VMs, past failovers, a backup, an explanation. Plain
// JSON; texts in it are sentences for people, without a full stop.

import type { Millis } from "../../core/model/time.ts";
import type { HostState } from "../../core/model/status.ts";

/** One thing that a failover needs, tried now. */
export interface Check {
  /** Stable name for scripts. */
  readonly id: string;
  /** What was looked at, in a few words. */
  readonly title: string;
  /** `skipped`: the configuration does not use it. */
  readonly outcome: "ok" | "warning" | "failed" | "skipped";
  readonly found: string;
  /** What to do; empty when there is nothing to do. */
  readonly next: string;
}

export interface VmFlag {
  readonly uuid: string;
  readonly name: string;
  /** The custom field of the VM; null: it has none, or what it says is neither true nor false. */
  readonly flag: boolean | null;
  /** What follows from the flag and the mode. */
  readonly isProtected: boolean;
}

export interface VmFlags {
  readonly opMode: 1 | 2;
  readonly globalVmHa: boolean;
  readonly masterOnly: boolean;
  readonly vms: readonly VmFlag[];
}

/** The parameters of the pool as they were set, and the flags of its VMs. Passwords are never part of it. */
export interface Backup {
  readonly format: "tandem-backup";
  readonly version: 1;
  readonly poolId: string;
  readonly wallMs: number;
  readonly parameters: Readonly<Record<string, string>>;
  /** By UUID. */
  readonly vms: Readonly<Record<string, boolean>>;
}

/** One outage or move of the storage as one host lived through it. */
export interface Failover {
  readonly startWallMs: number;
  readonly endWallMs: number;
  readonly node: string;
  /** Nothing more belongs to it: all is well again, or it was quiet for long enough. */
  readonly isOver: boolean;
  /** What came of it. */
  readonly summary: string;
  readonly events: readonly { readonly wallMs: number; readonly event: string; readonly detail: string }[];
}

export interface ExplanationLine {
  /** Number of the rule in the protocol. */
  readonly rule: string;
  readonly sentence: string;
  readonly remainingMs: Millis | null;
}

/** What this host would do if the other one lost its power now. */
export interface Forecast {
  /** Would the storage be served afterwards without a person? */
  readonly storageServed: boolean;
  /** In the order of time; `afterMs` counts from the loss. */
  readonly steps: readonly { readonly afterMs: Millis; readonly what: string }[];
  /** What holds it back in the end; empty when nothing does. */
  readonly obstacles: readonly string[];
}

export interface ExplanationReport {
  readonly host: string;
  readonly state: HostState;
  readonly outcome: string;
  readonly policyNote: string;
  readonly waits: readonly ExplanationLine[];
  /** Null while the other host is silent already: then `waits` says what happens. */
  readonly ifPeerDied: Forecast | null;
  /** A host that holds no copy of the storage: who decides about lost hosts; a whole sentence. */
  readonly elsewhere?: string;
}
