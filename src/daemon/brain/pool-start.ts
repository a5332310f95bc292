// What the brain is started with: who the hosts are, and how they are reached.

import type { Config, HostEntry } from "../../config/config.ts";
import type { CoreConfig } from "../../core/model/config.ts";
import type { DurableRecord } from "../../core/model/durable.ts";
import type { PoolConfig } from "../../core/pool/model.ts";
import type { PeerKeys } from "../../drivers/peer/port.ts";
import type { Beginning } from "../beginning.ts";
import type { BrainStart } from "./messages.ts";
import type { PoolBrainStart } from "./pool-brain.ts";
import { createPulses } from "./pulse.ts";

export interface PoolStartParts {
  /** As the settings give it out: cautious during a change in two steps, disarmed while the configuration is in doubt. */
  readonly core: CoreConfig;
  readonly durable: DurableRecord;
  readonly identity: Beginning["identity"];
  readonly keys: PeerKeys;
}

/** Null in a pool of two hosts. */
export function poolCore({ pool }: Pick<Config, "pool">, core: CoreConfig): PoolConfig | null {
  if (pool === null) return null;
  const { timers, cfgHash, disarmed } = core;
  return { ...pool, timers, cfgHash, ...(disarmed === undefined ? {} : { disarmed }) };
}

export function brainStart(config: Config, parts: PoolStartParts): BrainStart {
  const { self, peer, peerPort: port } = config;
  return {
    config: parts.core,
    durable: parts.durable,
    ...parts.identity,
    addresses: [
      { link: "management", local: self.management, remote: peer.management, port },
      { link: "replication", local: self.replication, remote: peer.replication, port },
    ],
    keys: parts.keys,
    watchdogDevice: config.watchdogDevice,
    pulses: createPulses(),
    pool: poolStart(config, parts),
  };
}

const addressesOf = ({ management, replication }: HostEntry) => ({ management, replication });

export function poolStart(config: Config, parts: PoolStartParts): PoolBrainStart | null {
  const core = poolCore(config, parts.core);
  if (core === null) return null;
  const { bootId, incarnation } = parts.identity;
  return {
    config: core,
    durable: parts.durable,
    bootId,
    incarnation,
    names: Object.fromEntries(config.hosts.map((host) => [host.uuid, host.name])),
    link: {
      poolId: config.poolId,
      hostId: config.self.uuid,
      bootId,
      incarnation,
      // The pair's heartbeats have PEER_PORT for themselves.
      port: config.peerPort + 1,
      local: addressesOf(config.self),
      members: config.hosts
        .filter((host) => host.uuid !== config.self.uuid)
        .map((host) => ({ hostId: host.uuid, addresses: addressesOf(host) })),
      keys: parts.keys,
    },
  };
}
