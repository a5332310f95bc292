// What the decision function knows of the configuration. Produced by src/config, hashed into cfgHash (A24).

import type { Millis } from "./time.ts";

export type Policy = "vote" | "strict" | "witness" | "strict+vote";

/** protocol.md 4; every value in milliseconds. */
export interface Timers {
  readonly hb: Millis;
  readonly echo: Millis;
  readonly suspect: Millis;
  readonly sample: Millis;
  readonly dead: Millis;
  /** DRBD detects a dead peer within this: ping-int + ping-timeout. */
  readonly drbd: Millis;
  readonly lease: Millis;
  readonly soft: Millis;
  readonly watchdog: Millis;
  readonly reset: Millis;
  readonly margin: Millis;
  readonly take: Millis;
  readonly quiet: Millis;
  readonly fenceDelay: Millis;
  readonly fence: Millis;
  readonly lag: Millis;
  readonly leave: Millis;
  readonly managementGrace: Millis;
  /** Least time between two automatic takeovers (D15). */
  readonly flap: Millis;
  /** Deadline of a planned release before it is rolled back. */
  readonly release: Millis;
}

export interface CoreConfig {
  readonly poolId: string;
  readonly hostId: string;
  readonly peerId: string;
  readonly cfgHash: string;
  readonly policy: Policy;
  readonly timers: Timers;
  readonly resources: readonly string[];
  /** A3: an empty list is a failed vote. */
  readonly heuristics: readonly string[];
  /** host:port of every witness; a majority of them grants. Empty unless the policy is WITNESS. */
  readonly witnesses: readonly string[];
  readonly fenceEnabled: boolean;
  readonly quorumRequired: boolean;
  readonly minHosts: number;
  readonly hosts: number;
  /** PROMOTE_SLAVE, SLAVE_HA: this host may take over / may start VMs of the peer. */
  readonly mayTakeOver: boolean;
  readonly mayRestart: boolean;
  readonly rebootLoneHost: boolean;
  /** A22, A26 (ISOLATED_VM_POLICY): what becomes of VMs on a host that lost its path to the storage and still talks. */
  readonly isolatedVms: "restart" | "wait";
  /** Why this host must not fence, take over or restart the peer's VMs (its configuration is in doubt); absent: it may. */
  readonly disarmed?: string;
  /** Watchdog handled by the separate holder process (k = 1). */
  readonly watchdogUsed: boolean;
  /** Rules taken out by the mutation gate; always empty in production (the configuration cannot set it). */
  readonly removedRules: readonly string[];
}
