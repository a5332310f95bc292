// The words of the simulated world: hosts, DRBD sides, what every part of the simulator can reach. Data and types only.

import type { CoreConfig, Policy } from "../../src/core/model/config.ts";
import type { DiskState, Generation } from "../../src/core/model/drbd.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { Event } from "../../src/core/model/event.ts";
import type { HeartbeatBody, Link, PeerReply } from "../../src/core/model/peer.ts";
import type { State } from "../../src/core/model/state.ts";
import type { Action, Effect } from "../../src/core/plan/action.ts";
import type { Network } from "./network.ts";
import { other, type HostName, testRecord } from "./settings.ts";
import { unstalled, type ActionFault, type Bmc, type Clock, type Machine, type Stage } from "./stage.ts";
import type { Witness } from "./witness.ts";

export type EffectKind = Effect["kind"];
export type Silent = { readonly kind: "silent"; readonly reason: string };

/** A fence-peer handler that waits in the kernel; `promote` while a promotion waits for it. */
export interface Handler {
  readonly id: string;
  readonly promote: ((allowed: boolean) => void) | null;
}

/** One host's half of a DRBD resource. `disk`, generation and flags are metadata: they survive a loss of power. */
export interface Side {
  up: boolean;
  role: "Primary" | "Secondary";
  disk: DiskState;
  peerOutdated: boolean;
  /** The peer's last known disk state was Inconsistent: losing it needs no fencing. */
  peerInconsistent: boolean;
  generation: Generation;
  /** Primary when it was last seen alive: its unfinished writes are resent at the next handshake. */
  crashedPrimary: boolean;
  /** Newest write on this disk. */
  data: number;
  connected: boolean;
  standAlone: boolean;
  /** Told to connect and to be filled, whatever the generations say. */
  discards: boolean;
  suspended: boolean;
  resync: "source" | "target" | null;
  /** A write that was sent and not acknowledged. */
  inFlight: number | null;
  handlers: Handler[];
  /** In sync with the peer at some instant of this boot. */
  syncedThisBoot: boolean;
  /** What the host knew of this disk when it ordered the newest promotion. */
  askedFrom: DiskState | null;
  /** When the peer's kernel last answered, and how long silence is taken for it. */
  answeredAt: number;
  patience: number;
  suspendedSince: number;
}

export interface Packet {
  readonly from: HostName;
  readonly link: Link;
  readonly session: number;
  readonly nonce: number;
  readonly knows: readonly number[];
  readonly seq: number;
  /** The newest packet that the sender heard, as the receiver numbered it. */
  readonly echo: {
    readonly session: number;
    readonly seq: number;
    readonly newest: Readonly<Record<Link, number>>;
  } | null;
  readonly body: HeartbeatBody;
}

/** The conversation of heartbeats with the peer, of one life of the daemon. */
export interface Session {
  readonly id: number;
  nonce: number;
  seq: number;
  readonly sentAt: Map<number, number>;
  peerNonces: readonly number[];
  peer: {
    readonly session: number;
    newest: Record<Link, number>;
    body: { seq: number; value: HeartbeatBody };
    heardSeq: number;
  } | null;
}

export interface Target {
  running: boolean;
  filled: boolean;
  portalOpen: boolean;
  barred: boolean;
}

/** Survives a loss of power. */
export interface Disk {
  record: DurableRecord;
  /** What a loss of power leaves of the record. */
  synced: DurableRecord;
  /** The record's file is not whole: no daemon starts before an operator moved it away. */
  damaged: boolean;
  xapi: "master" | "supporter";
  /** The copy cannot be read or written any more. */
  broken: boolean;
}

export interface Host extends Machine {
  readonly name: HostName;
  readonly disk: Disk;
  readonly sides: Record<string, Side>;
  /** The daemon; null while it is down. */
  state: State | null;
  daemons: number;
  /** The last one stopped as agreed (A7), in this boot: what daemon/exchange-note keeps. */
  exchanged: boolean;
  /** Durable record as this boot found it. */
  bootRecord: DurableRecord;
  target: Target;
  blocked: boolean;
  hush: "off" | "requests" | "all";
  vip: boolean;
  /** Since when the daemon runs undisturbed. */
  awakeSince: number;
  session: Session;
  beatAt: number;
  /** Hang until an instant: the target's process, DRBD in the kernel, the toolstack. */
  targetUntil: number;
  /** It hangs in the kernel: SIGKILL takes effect when it is over. */
  targetDeep: boolean;
  /** Resources that a killed target had open: while their writes are suspended it cannot end, and they cannot be closed. */
  dying: Set<string>;
  drbdUntil: number;
  toolstackUntil: number;
  /** The durable record on its way to the disk. */
  writing: DurableRecord | null;
  /** Events that wait for the brain to wake up. */
  inbox: (() => void)[];
  /** Orders to fence that must not begin any more. */
  readonly withdrawn: Set<number>;
  /** Commands that outlived their deadline and are not gone yet, by boot and lane. */
  readonly hung: Map<string, number>;
  config: CoreConfig;
  laneFreeAt: Map<string, number>;
  /** Next effect of this kind goes wrong in this way (`always`: every one until healed). */
  actionFaults: Map<EffectKind, { fault: ActionFault; always: boolean }>;
  alertedAt: number;
  /** The newest become-primary said here was said with --force. */
  forced: boolean;
}

export interface CommandReply {
  readonly host: HostName;
  readonly action: Action & { kind: "command-reply" };
}

export interface Sim extends Stage {
  readonly policy: Policy;
  readonly resources: readonly string[];
  readonly hosts: Record<HostName, Host>;
  readonly network: Network;
  readonly witness: Witness;
  readonly tickMs: number;
  readonly bmc: Record<HostName, Bmc>;
  /** A third machine answers for the floating IP. */
  vipConflict: boolean;
  /** How long a resync takes that begins now; null: as usual. */
  resyncMs: number | null;
  /** The two copies were made to hold different writes. */
  grownApart: boolean;
  /** Where the pool database says that each VM runs. */
  readonly residence: Map<string, string | null>;
  /** Newest acknowledged and newest issued write per resource. */
  readonly acked: Record<string, number>;
  readonly issued: Record<string, number>;
  readonly replies: CommandReply[];
  readonly epochOwners: Map<number, string>;
  /** When each host was last powered off by its peer. */
  readonly fencedAt: Record<HostName, number>;
  /** Instants of the automatic moves of the storage that count (D15, A23). */
  moves: readonly number[];
  /** The votes of both hosts passed for T_dead and no heartbeat arrived anywhere: outside the fault hypothesis of VOTE. */
  h1Broken: boolean;
  /** Two hosts served, and one of them knew no better than a connection that its standing DRBD showed: outside F5. */
  f5Broken: boolean;
  heartbeatArrived(): void;
  /** The decision of this host had a turn. */
  stepped(host: Host): void;
  readonly latency: ((kind: EffectKind) => number | undefined) | null;
  feed(host: Host, event: Event): void;
  powerOff(host: Host, by: NonNullable<Host["downBy"]>): void;
}

export type ReplyTo = (reply: PeerReply) => void;

/** A fresh data generation, in DRBD's own spelling; 4 is that of a disk that holds nothing yet. */
export const freshGeneration = (sim: Sim): string =>
  (FIRST_GENERATION + sim.nextId++).toString(16).toUpperCase().padStart(16, "0");
const FIRST_GENERATION = 0x1000;
export const ZERO = "0000000000000000";

/** Its DRBD neither answers nor writes: the whole dom0 stands still, or only that part of its kernel. */
export const drbdStalled = (sim: Sim, host: Host): boolean => Math.max(host.frozenUntil, host.drbdUntil) > sim.now;

/**
 * F5 is broken where it is all that a daemon has: no word of the other host since its start, and a DRBD that shows a connection
 * that is gone, because it stands still. It acknowledges nothing until it runs on, and then suspends its I/O.
 */
export const breaksF5 = (sim: Sim, h: Host): boolean =>
  h.drbdUntil > sim.now &&
  (h.state === null || h.state.peer.body === null) &&
  sim.resources.some((r) => sideOf(h, r).connected && !sideOf(sim.hosts[other(h.name)], r).connected);

/** A write that is suspended keeps the process that waits for it, whatever signal that gets. */
export const heldOpen = (host: Host, resource: string): boolean => {
  const side = sideOf(host, resource);
  return host.dying.has(resource) && side.role === "Primary" && side.suspended && side.inFlight !== null;
};

/** The target's process answers nobody. */
export const targetHangs = (sim: Sim, host: Host): boolean => host.target.running && host.targetUntil > sim.now;

/** The daemon runs and its brain is awake. */
export const awake = (sim: Sim, host: Host): boolean => host.state !== null && unstalled(sim, host);

/** An initiator gets its answers here. */
export function serves(sim: Sim, host: Host): boolean {
  if (!exposes(sim, host) || host.blocked || host.hush !== "off" || drbdStalled(sim, host)) return false;
  return host.target.portalOpen && !targetHangs(sim, host);
}

/** V1's own words: Primary and not suspended and LUN exported and floating IP; whoever else keeps initiators away. */
export function exposes(sim: Sim, host: Host): boolean {
  if (!host.vip || !host.power || !host.target.filled) return false;
  for (const resource of sim.resources) {
    const side = host.sides[resource];
    if (side === undefined || side.role !== "Primary" || side.suspended) return false;
  }
  return true;
}

export function sideOf(host: Host, resource: string): Side {
  const side = host.sides[resource];
  if (side === undefined) throw new Error(`no resource ${resource} on ${host.name}`);
  return side;
}

function createSide(current: string): Side {
  return {
    up: false,
    role: "Secondary",
    disk: "UpToDate",
    peerOutdated: false,
    peerInconsistent: false,
    generation: { current, bitmap: ZERO, history: [] },
    crashedPrimary: false,
    data: 0,
    connected: false,
    standAlone: false,
    discards: false,
    suspended: false,
    resync: null,
    inFlight: null,
    handlers: [],
    syncedThisBoot: false,
    askedFrom: null,
    answeredAt: 0,
    patience: 1400,
    suspendedSince: 0,
  };
}

export const freshTarget = (): Target => ({ running: false, filled: false, portalOpen: false, barred: false });

export const freshSession = (id: number, nonce: number): Session => ({
  id,
  nonce,
  seq: 0,
  sentAt: new Map(),
  peerNonces: [],
  peer: null,
});

export interface HostStart {
  readonly config: CoreConfig;
  readonly record?: Partial<DurableRecord>;
  readonly clock: Clock;
}

export function createHost(name: HostName, resources: readonly string[], start: HostStart): Host {
  const sides = Object.fromEntries(resources.map((r, i) => [r, createSide(`${i + 1}`.padStart(16, "F"))]));
  const record = testRecord(name, start.record);
  return {
    name,
    sides,
    disk: {
      record,
      synced: record,
      damaged: false,
      xapi: name === "a" ? "master" : "supporter",
      broken: false,
    },
    power: false,
    state: null,
    boots: 0,
    daemons: 0,
    exchanged: false,
    bootRecord: record,
    target: freshTarget(),
    blocked: false,
    hush: "off",
    vip: false,
    domains: new Map(),
    watchdog: { armed: false, fedAt: 0, fired: false },
    awakeSince: 0,
    downBy: null,
    session: freshSession(0, 0),
    beatAt: 0,
    stalledUntil: 0,
    handsUntil: 0,
    frozenUntil: 0,
    targetUntil: 0,
    targetDeep: false,
    dying: new Set(),
    drbdUntil: 0,
    toolstackUntil: 0,
    writing: null,
    inbox: [],
    withdrawn: new Set(),
    hung: new Map(),
    clock: start.clock,
    config: start.config,
    laneFreeAt: new Map(),
    actionFaults: new Map(),
    slowness: 1,
    alertedAt: -Infinity,
    forced: false,
  };
}
