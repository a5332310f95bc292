// What the pool's decision function sees of the configuration. Pure.

import type { CoreConfig } from "../core/model/config.ts";
import type { PoolConfig } from "../core/pool/model.ts";
import type { LocalFile } from "./local-file.ts";

/** Null: two hosts are the pair and nothing else; without a majority there is nothing to vote on. */
export function poolConfig(local: LocalFile, core: CoreConfig): PoolConfig | null {
  if (local.hosts.length < 3) return null;
  return {
    hostId: core.hostId,
    hosts: local.hosts.map((host) => host.uuid).toSorted(),
    storageHosts: local.storageHosts.map((host) => host.uuid).toSorted(),
    cfgHash: core.cfgHash,
    policy: core.policy,
    timers: core.timers,
    fenceEnabled: core.fenceEnabled,
    quorumRequired: core.quorumRequired,
    minHosts: core.minHosts,
    mayRestart: core.mayRestart,
    mayLead: core.mayTakeOver,
    rebootLoneHost: core.rebootLoneHost,
    watchdogUsed: core.watchdogUsed,
    ...(core.disarmed === undefined ? {} : { disarmed: core.disarmed }),
    removedRules: core.removedRules,
  };
}
