// The root-only unix socket between the daemon and its tools: one JSON object per line, both ways.

import type { StatusDocument } from "../../core/model/status.ts";
import type { Counters } from "./counters.ts";
import type { Backup, Check, ExplanationReport, Failover, VmFlags } from "./answers.ts";

/** `actor` is shown in the log; every mutating request names what it does. */
export type ControlRequest =
  | { readonly kind: "status" }
  /** The server sends a new status document on every change until the client hangs up. */
  | { readonly kind: "watch" }
  | { readonly kind: "enable"; readonly force: boolean }
  | { readonly kind: "disable"; readonly force: boolean }
  | { readonly kind: "manual"; readonly on: boolean; readonly force: boolean }
  /** The whole procedure; with `returnVms` those that were moved away for it come back at its end. */
  | { readonly kind: "maintenance"; readonly on: boolean; readonly returnVms: boolean }
  | { readonly kind: "become-primary"; readonly force: boolean; readonly peerName: string | null }
  | { readonly kind: "become-secondary" }
  /** Planned hand-over of the storage (and then of the master role) to the other host. */
  | { readonly kind: "switch"; readonly storageOnly: boolean }
  | { readonly kind: "confirm-peer-off"; readonly peerName: string }
  /** D11: this host's data stays; `victim` names the other host, whose copies are given up. */
  | { readonly kind: "resolve-split-brain"; readonly victim: string; readonly snapshot: boolean }
  /** Takes a silent host out of the pool for good, by its name or UUID. */
  | { readonly kind: "forget-host"; readonly host: string }
  /** Effective parameters: pool-wide and local. */
  | { readonly kind: "get"; readonly scope: "pool" | "storage" }
  | { readonly kind: "set"; readonly name: string; readonly value: string }
  /** Writes the default parameters into the pool database; existing values stay unless `overwrite`. */
  | { readonly kind: "insert"; readonly overwrite: boolean }
  /** Takes every parameter of ours out of the pool database. */
  | { readonly kind: "remove" }
  /** Every parameter of the pool as after a fresh `insert`. */
  | { readonly kind: "restore-default" }
  | { readonly kind: "backup" }
  /** Parameters that are not named lose their value: the pool is then as the backup says. */
  | {
      readonly kind: "restore";
      readonly parameters: Readonly<Record<string, string>>;
      readonly vms: Readonly<Record<string, boolean>>;
    }
  /** HA-Lizard's parameters: those of the pool's database, and over them those of its file. */
  | { readonly kind: "import"; readonly file: Readonly<Record<string, string>>; readonly write: boolean }
  | { readonly kind: "vms" }
  | { readonly kind: "set-vm-ha"; readonly vm: string; readonly on: boolean }
  /** Tries now what a failover will need. Changes nothing. */
  | { readonly kind: "check" }
  /** A test mail. */
  | { readonly kind: "email" }
  | { readonly kind: "raise-alert"; readonly text: string }
  /** Forgets the alerts about what happened; those about what still is stay. */
  | { readonly kind: "clear-alerts" }
  /** Plugs this host's PBDs of our SRs. */
  | { readonly kind: "replug" }
  | { readonly kind: "explain" }
  /** What the daemon counted since its start, with its status: for metrics. */
  | { readonly kind: "metrics" }
  | { readonly kind: "history"; readonly limit: number };

export interface ParameterValue {
  readonly name: string;
  /** Secrets are "[set]" or empty. */
  readonly value: string;
  readonly source: "default" | "pool" | "local";
  readonly default: string;
}

export type ControlReply =
  /** Progress of a long request; more lines follow. */
  | { readonly kind: "progress"; readonly text: string }
  | { readonly kind: "done"; readonly text: string }
  /** Exit code 3: a safety rule said no; `rule` is its number where there is one. */
  | { readonly kind: "refused"; readonly rule: string | null; readonly reason: string; readonly next: string }
  | { readonly kind: "failed"; readonly reason: string; readonly next: string }
  | { readonly kind: "status"; readonly status: StatusDocument }
  | { readonly kind: "metrics"; readonly status: StatusDocument; readonly counters: Counters }
  | { readonly kind: "parameters"; readonly parameters: readonly ParameterValue[] }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "checks"; readonly checks: readonly Check[] }
  | { readonly kind: "vms"; readonly flags: VmFlags }
  | { readonly kind: "backup"; readonly backup: Backup }
  | { readonly kind: "history"; readonly failovers: readonly Failover[] }
  | { readonly kind: "explanation"; readonly explanation: ExplanationReport };

export interface ControlServer {
  stop(): Promise<void>;
  /** Whether any tool is connected: without one a status document is made for nobody. */
  connected(): boolean;
  /** Pushes to every watcher. */
  publish(status: StatusDocument): void;
}

export type ControlHandler = (request: ControlRequest, reply: (answer: ControlReply) => void) => Promise<void>;
