// The configuration and the durable record that simulated hosts start with.

import type { CoreConfig, Policy } from "../../src/core/model/config.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";

export type HostName = "a" | "b";
export const NAMES: readonly HostName[] = ["a", "b"];
export const other = (h: HostName): HostName => (h === "a" ? "b" : "a");

export const R = "iscsi1";

export const TIMERS = {
  hb: 250,
  echo: 1000,
  suspect: 1000,
  sample: 500,
  dead: 3000,
  drbd: 1500,
  lease: 5000,
  soft: 2000,
  watchdog: 5000,
  reset: 1000,
  margin: 1500,
  take: 13000,
  quiet: 1000,
  fenceDelay: 1500,
  fence: 10000,
  lag: 500,
  leave: 120000,
  managementGrace: 60000,
  flap: 300000,
  release: 3000,
};

/** Another set that keeps every inequality: T_dead and the lease by this factor, T_take as they need it (I-c, I-g). */
export function scaledTimers(factor: number): typeof TIMERS {
  const dead = TIMERS.dead * factor;
  const lease = TIMERS.lease * factor;
  const take = Math.ceil((lease + TIMERS.watchdog + TIMERS.reset) * 1.001 + TIMERS.margin);
  return { ...TIMERS, dead, lease, take };
}

export function testConfig(host: HostName, policy: Policy, patch: Partial<CoreConfig> = {}): CoreConfig {
  return {
    poolId: "pool",
    hostId: host,
    peerId: other(host),
    cfgHash: "same",
    policy,
    timers: TIMERS,
    resources: [R],
    heuristics: ["gateway"],
    witnesses: policy === "witness" ? ["witness:7695"] : [],
    fenceEnabled: true,
    quorumRequired: true,
    minHosts: 2,
    hosts: 2,
    mayTakeOver: true,
    mayRestart: true,
    rebootLoneHost: false,
    isolatedVms: "restart",
    watchdogUsed: true,
    removedRules: [],
    ...patch,
  };
}

export function testRecord(host: HostName, patch: Partial<DurableRecord> = {}): DurableRecord {
  return {
    poolId: "pool",
    hostId: host,
    ha: "on",
    flags: { manual: false, maintenance: false },
    peerHa: "on",
    peerFlags: { manual: false, maintenance: false },
    epoch: 0,
    owner: null,
    solo: {},
    lastSync: {},
    takeovers: 0,
    ...patch,
  };
}
