// What a host knows of its pool when its daemon has just started: its own record, and nothing of the others.

import type { DurableRecord } from "../model/durable.ts";
import { unknown } from "../model/observation.ts";
import { freshFence } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import type { Neighbour, PoolConfig, PoolState } from "./model.ts";

export interface PoolStart {
  readonly config: PoolConfig;
  readonly durable: DurableRecord;
  readonly bootId: string;
  readonly incarnation: number;
}

const stranger: Neighbour = {
  heardAt: null,
  contactAt: null,
  body: null,
  answeredAt: null,
  supportAt: null,
  followAt: null,
  authorityAt: null,
  barSince: null,
  quorumAt: null,
  fence: freshFence,
  recovery: null,
  told: false,
};

/** Keeps what is known of hosts that stay in the pool. */
export const neighboursOf = (
  config: PoolConfig,
  known: Readonly<Record<string, Neighbour>> = {},
): Readonly<Record<string, Neighbour>> =>
  Object.fromEntries(
    config.hosts.filter((id) => id !== config.hostId).map((id): [string, Neighbour] => [id, known[id] ?? stranger]),
  );

export function initialPoolState({ config, durable, bootId, incarnation }: PoolStart, now: Instant): PoolState {
  return {
    config,
    bootId,
    incarnation,
    startedAt: now,
    lastTick: now,
    awakeAt: now,
    nextId: 1,
    durable,
    persisting: null,
    follow: null,
    pair: null,
    neighbours: neighboursOf(config),
    beatAt: null,
    urgent: false,
    bars: [],
    dead: [],
    leaseFrom: null,
    settled: false,
    leadsSince: null,
    standsSince: null,
    freshVote: false,
    votedAt: now,
    standAt: now,
    domains: unknown("not looked at yet", now),
    xapi: unknown("not asked yet", now),
    watchdogArmed: false,
    tokenAt: null,
    softFenced: false,
    doing: null,
    retryAt: now,
    departure: null,
    maintaining: null,
    promotion: null,
    supporters: null,
  };
}
