// The protocol's timers in units that an exhaustive search can afford: one tick is one second, every wait is a few
// ticks, and the inequalities of protocol.md 4 hold as in production (checked when this file is loaded).

import { checkTimers } from "../../src/config/timers.ts";
import type { CoreConfig, Policy, Timers } from "../../src/core/model/config.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";

/** Index of a host in every array of the explorer: 0 is host "a", 1 is host "b". */
export type Side = 0 | 1;
export const SIDES: readonly Side[] = [0, 1];
export const otherSide = (side: Side): Side => (side === 0 ? 1 : 0);
export const hostName = (side: Side): "a" | "b" => (side === 0 ? "a" : "b");

/** The one DRBD resource of the explored pool. */
export const RESOURCE = "r0";

export const TICK_MS = 1_000;
const ticks = (n: number): number => n * TICK_MS;

export const TIMERS: Timers = {
  // A tick is late when one was left out (gap > 2 T_hb), and two hosts that miss no tick stay in contact.
  hb: TICK_MS / 2,
  echo: ticks(1),
  suspect: ticks(2),
  sample: ticks(1),
  dead: ticks(3),
  drbd: ticks(1),
  lease: ticks(5),
  soft: ticks(2),
  watchdog: ticks(2),
  reset: ticks(1),
  // 100 ms of the last tick are left for the clock drift of I-c.
  margin: ticks(1) - 100,
  take: ticks(9),
  quiet: ticks(1),
  fenceDelay: ticks(2),
  fence: ticks(3),
  lag: ticks(3),
  leave: ticks(10),
  managementGrace: ticks(4),
  flap: ticks(10),
  release: ticks(4),
};

/** The hypervisor's watchdog stops a host this many ticks after it was fed last: the latest instant F4 allows. */
export const WATCHDOG_TICKS = (TIMERS.watchdog + TIMERS.reset) / TICK_MS;

const broken = checkTimers(TIMERS, {
  k: 1,
  drbd: { timeoutMs: 300, pingIntMs: 600, pingTimeoutMs: 300, connectIntMs: 600 },
  measuredOffMs: 0,
});
if (broken.length > 0) throw new Error(`the explorer's timers break ${broken.map((b) => b.message).join("; ")}`);

export interface Variant {
  readonly policy: Policy;
  readonly removedRules: readonly string[];
  /** Timers that a test shortens on purpose, to see the explorer find what they protect from. */
  readonly timers?: Partial<Timers>;
}

export function configOf(side: Side, variant: Variant): CoreConfig {
  return {
    poolId: "pool",
    hostId: hostName(side),
    peerId: hostName(otherSide(side)),
    cfgHash: "same",
    policy: variant.policy,
    timers: { ...TIMERS, ...variant.timers },
    resources: [RESOURCE],
    heuristics: ["gateway"],
    witnesses: variant.policy === "witness" ? ["witness"] : [],
    fenceEnabled: true,
    quorumRequired: true,
    minHosts: 2,
    hosts: 2,
    mayTakeOver: true,
    mayRestart: true,
    rebootLoneHost: false,
    isolatedVms: "restart",
    watchdogUsed: true,
    removedRules: variant.removedRules,
  };
}

export function firstRecord(side: Side): DurableRecord {
  return {
    poolId: "pool",
    hostId: hostName(side),
    ha: "on",
    flags: { manual: false, maintenance: false },
    peerHa: "on",
    peerFlags: { manual: false, maintenance: false },
    epoch: 0,
    owner: null,
    solo: {},
    lastSync: {},
    takeovers: 0,
  };
}
