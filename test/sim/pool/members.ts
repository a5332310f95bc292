// The words of a simulated pool of three hosts and more: every host with its part of the pool's decision, the networks
// between them, and what only xapi's database knows. Data and types only.

import type { CoreConfig, Policy } from "../../../src/core/model/config.ts";
import type { DurableRecord } from "../../../src/core/model/durable.ts";
import type { MemberBeat, PoolConfig, PoolEvent, PoolState } from "../../../src/core/pool/model.ts";
import type { PeerSession } from "../../../src/drivers/peer/session.ts";
import type { Network, Quality } from "../network.ts";
import { TIMERS } from "../settings.ts";
import { newClock, type ActionFault, type Bmc, type Machine, type Stage } from "../stage.ts";
import type { Host } from "../sim.ts";
import type { World } from "../world.ts";

export type PoolEffectKind =
  | "persist"
  | "pause-domains"
  | "unpause-domains"
  | "destroy-domains"
  | "fence"
  | "watchdog-arm"
  | "watchdog-disarm"
  | "xapi-promote"
  | "recover-supporters"
  | "recover-host";

/** A host's port on the management switch; `out` and `in` are its two directions. */
export interface Port {
  up: boolean;
  out: boolean;
  in: boolean;
}

export interface Member {
  readonly machine: Machine;
  /** The storage host whose daemon this is a part of; null: the host holds no copy. */
  readonly pair: Host | null;
  /** Null while the daemon is down. */
  state: PoolState | null;
  /** Lives of the daemon so far. */
  lives: number;
  config: PoolConfig;
  /** Survives a loss of power; `synced` is what the loss leaves of the record. A storage host's record is the pair's. */
  readonly disk: { record: DurableRecord; synced: DurableRecord; role: "master" | "supporter"; masterId: string };
  readonly port: Port;
  bmc: Bmc;
  toolstackUntil: number;
  sessions: Map<string, PeerSession<MemberBeat>>;
  /** Events that wait for the brain to wake up. */
  inbox: (() => void)[];
  laneFreeAt: Map<string, number>;
  actionFaults: Map<PoolEffectKind, { fault: ActionFault; always: boolean }>;
  /** Where VMs ran that were declared dead with their host (daemon/pool-hands). */
  ranAt: Map<string, string>;
  /** The instant that the hands' newest snapshot of the decision is of. */
  shownAt: number;
  /** A person was told that this host is in maintenance now. */
  maintained: boolean;
}

export interface PoolSim {
  readonly stage: Stage;
  /** Null: the pool has no storage of ours. */
  readonly world: World | null;
  readonly members: readonly Member[];
  readonly policy: Policy;
  readonly tickMs: number;
  /** "from>to": nothing passes in that direction, whatever the ports. */
  readonly cuts: Set<string>;
  quality: Quality;
  switchUp: boolean;
  /** Where the pool's database says that each VM runs; null: halted. */
  readonly residence: Map<string, string | null>;
  /** Who led in each epoch (V6), in a pool that elects. */
  readonly epochLeaders: Map<number, string>;
  feed(member: Member, event: PoolEvent): void;
  powerOff(member: Member, by: NonNullable<Machine["downBy"]>): void;
}

export const memberOf = (pool: PoolSim, name: string): Member => {
  const one = pool.members.find(({ machine }) => machine.name === name);
  if (one === undefined) throw new Error(`no host ${name}`);
  return one;
};

/** The switch of the management network; the pair's world has its own word for it. */
export const switchUp = (pool: PoolSim): boolean => pool.switchUp && (pool.world?.network.switchUp ?? true);

const open = ({ up, out, in: inward }: Port): boolean => up && out && inward;

/** A packet of one host reaches the other one's NIC on the management network. */
export function reaches(pool: PoolSim, from: Member, to: Member): boolean {
  if (!switchUp(pool) || pool.cuts.has(`${from.machine.name}>${to.machine.name}`)) return false;
  if (from.pair !== null && to.pair !== null && pool.world?.network.filtered[from.pair.name] === true) return false;
  return from.port.up && from.port.out && to.port.up && to.port.in;
}

/** What packets suffer on the management network between them. */
export const qualityOf = (pool: PoolSim, from: Member, to: Member): Quality =>
  from.pair !== null && to.pair !== null && pool.world !== null ? pool.world.network.quality.management : pool.quality;

/** Toolstacks and BMCs: TCP needs both directions. */
export const joined = (pool: PoolSim, one: Member, two: Member): boolean =>
  reaches(pool, one, two) && reaches(pool, two, one);

export const onSwitch = (pool: PoolSim, { port }: Member): boolean => switchUp(pool) && open(port);

/** The toolstack of this host answers. */
export const toolstackAnswers = ({ stage }: PoolSim, { machine, pair, toolstackUntil }: Member): boolean =>
  machine.power && Math.max(toolstackUntil, pair?.toolstackUntil ?? 0) <= stage.now;

export function roleOf({ disk, pair, machine }: Member): { role: "master" | "supporter"; masterId: string } {
  if (pair === null) return { role: disk.role, masterId: disk.masterId };
  const { xapi } = pair.disk;
  return { role: xapi, masterId: xapi === "master" ? machine.name : pair.name === "a" ? "b" : "a" };
}

/** What the pool's decision on a storage host knows of the configuration is the pair's (config/pool-core). */
export const withCore = (config: PoolConfig, { timers, cfgHash }: CoreConfig): PoolConfig => ({
  ...config,
  timers,
  cfgHash,
});

/** The port of a storage host is one of the pair's network. */
function pairPort(network: Network, name: Host["name"]): Port {
  return {
    get up() {
      return network.links.management[name];
    },
    set up(up) {
      network.links.management[name] = up;
    },
    get out() {
      return network.out.management[name];
    },
    set out(up) {
      network.out.management[name] = up;
    },
    get in() {
      return network.in.management[name];
    },
    set in(up) {
      network.in.management[name] = up;
    },
  };
}

export interface MemberStart {
  readonly config: PoolConfig;
  readonly record: DurableRecord;
  readonly masterId: string;
  readonly pair: { readonly host: Host; readonly network: Network } | null;
}

export function createMember(stage: Stage, { config, record, masterId, pair }: MemberStart): Member {
  const machine: Machine = pair?.host ?? {
    name: config.hostId,
    power: false,
    boots: 0,
    downBy: null,
    stalledUntil: 0,
    handsUntil: 0,
    frozenUntil: 0,
    clock: newClock(stage),
    domains: new Map(),
    watchdog: { armed: false, fedAt: 0, fired: false },
    slowness: 1,
  };
  return {
    machine,
    pair: pair?.host ?? null,
    state: null,
    lives: 0,
    config,
    disk: { record, synced: record, role: masterId === config.hostId ? "master" : "supporter", masterId },
    port: pair === null ? { up: true, out: true, in: true } : pairPort(pair.network, pair.host.name),
    bmc: "ok",
    toolstackUntil: 0,
    sessions: new Map(),
    inbox: [],
    laneFreeAt: new Map(),
    actionFaults: new Map(),
    ranAt: new Map(),
    shownAt: 0,
    maintained: false,
  };
}

export const poolConfig = (hostId: string, hosts: readonly string[], pool: Omit<PoolOptions, "hosts">): PoolConfig => ({
  hostId,
  hosts,
  storageHosts: pool.storage ? hosts.slice(0, 2) : [],
  cfgHash: "same",
  policy: pool.policy,
  timers: TIMERS,
  fenceEnabled: true,
  quorumRequired: true,
  minHosts: 2,
  mayRestart: true,
  mayLead: true,
  rebootLoneHost: false,
  watchdogUsed: true,
  removedRules: pool.removedRules ?? [],
});

export interface PoolOptions {
  readonly hosts: number;
  /** The first two hosts hold copies of the storage and run the pair's protocol. */
  readonly storage: boolean;
  readonly policy: Policy;
  /** With a seed all times vary and clocks drift. */
  readonly seed?: number;
  readonly tickMs?: number;
  readonly removedRules?: readonly string[];
}
