// Everything that can go wrong (protocol.md 9), as plain data: what, where, when, for how long. A schedule is a list of
// these, so that it can be printed, shortened and replayed.

import type { Policy } from "../../src/core/model/config.ts";
import type { Command } from "../../src/core/model/event.ts";
import type { Link } from "../../src/core/model/peer.ts";
import { assertNever } from "../../src/util/assert.ts";
import { loseConnection } from "./drbd.ts";
import { holdsData } from "./handshake.ts";
import { healNetwork, LINKS, perfect, type Quality } from "./network.ts";
import { observeXapi } from "./observe.ts";
import type { Random } from "./random.ts";
import { NAMES, other, TIMERS, type HostName } from "./settings.ts";
import { sideOf, type ActionFault, type EffectKind } from "./sim.ts";
import { startWitness } from "./witness.ts";
import type { World } from "./world.ts";

export type Fault = { readonly at: number } & (
  | { readonly kind: "power-loss"; readonly host: HostName; readonly backMs: number | null }
  | { readonly kind: "reboot"; readonly host: HostName; readonly backMs: number }
  /** The host says that it leaves (A13), goes down, answered or not, and comes back. */
  | { readonly kind: "announced-reboot"; readonly host: HostName; readonly afterMs: number; readonly backMs: number }
  /** The daemon pauses (A7), stops, and a new one starts. */
  | { readonly kind: "orderly-restart"; readonly host: HostName; readonly afterMs: number; readonly backMs: number }
  | { readonly kind: "daemon-crash"; readonly host: HostName; readonly backMs: number }
  | { readonly kind: "brain-stall"; readonly host: HostName; readonly ms: number }
  | { readonly kind: "hands-stall"; readonly host: HostName; readonly ms: number }
  | { readonly kind: "kernel-freeze"; readonly host: HostName; readonly ms: number }
  | { readonly kind: "link-loss"; readonly host: HostName; readonly link: Link; readonly ms: number }
  | { readonly kind: "both-links-loss"; readonly host: HostName; readonly ms: number }
  | {
      readonly kind: "one-way-loss";
      readonly host: HostName;
      readonly link: Link;
      readonly way: "in" | "out";
      readonly ms: number;
    }
  | { readonly kind: "one-way-both"; readonly host: HostName; readonly way: "in" | "out"; readonly ms: number }
  | { readonly kind: "bad-link"; readonly link: Link; readonly quality: Quality; readonly ms: number }
  | { readonly kind: "switch-loss"; readonly ms: number }
  | { readonly kind: "gateway-loss"; readonly ms: number }
  | { readonly kind: "filter"; readonly ms: number }
  | { readonly kind: "one-way-filter"; readonly host: HostName; readonly ms: number }
  /** The witness's process is away and starts anew (A17). */
  | { readonly kind: "witness-restart"; readonly ms: number }
  | { readonly kind: "witness-cut"; readonly host: HostName; readonly ms: number }
  | { readonly kind: "power-on"; readonly host: HostName }
  | { readonly kind: "bmc"; readonly host: HostName; readonly how: "dead" | "lies" | "slow"; readonly ms: number }
  | { readonly kind: "target-crash"; readonly host: HostName }
  | {
      readonly kind: "action";
      readonly host: HostName;
      readonly effect: EffectKind;
      readonly fault: ActionFault;
      readonly always: boolean;
      readonly ms: number;
    }
  | { readonly kind: "slow-host"; readonly host: HostName; readonly factor: number; readonly ms: number }
  | { readonly kind: "drbd-drop" }
  | { readonly kind: "disk-failure"; readonly host: HostName }
  | { readonly kind: "config-differs"; readonly host: HostName; readonly ms: number }
  | { readonly kind: "vip-conflict"; readonly ms: number }
  | { readonly kind: "master-moves" }
  | { readonly kind: "command"; readonly host: HostName; readonly command: Command }
);

const EFFECTS: readonly EffectKind[] = [
  "persist",
  "persist",
  "drbd-up",
  "promote",
  "demote",
  "outdate",
  "resume-io",
  "target-warm",
  "target-fill",
  "target-bar-peer",
  "portal-open",
  "target-withdraw",
  "block-portal",
  "unblock-portal",
  "vip-add",
  "vip-remove",
  "pause-domains",
  "unpause-domains",
  "watchdog-arm",
  "xapi-promote",
  "recover-peer",
];

const COMMANDS: readonly Command[] = [
  { kind: "switch", storageOnly: false },
  { kind: "switch", storageOnly: true },
  { kind: "disable", force: false },
  { kind: "enable", force: false },
  { kind: "manual", on: true, force: false },
  { kind: "manual", on: false, force: false },
  { kind: "maintenance", on: true },
  { kind: "maintenance", on: false },
  { kind: "become-primary", force: false },
  { kind: "become-secondary" },
];

/** Around the protocol's own times as often as anywhere else. */
function drawDuration(random: Random): number {
  if (random.chance(0.4)) return Math.round(random.pick(Object.values(EDGES)) + random.between(-600, 600));
  return Math.round(random.chance(0.3) ? random.between(100, 4_000) : random.between(2_000, 40_000));
}
const EDGES = {
  suspect: TIMERS.suspect,
  dead: TIMERS.dead,
  lease: TIMERS.lease,
  watchdog: TIMERS.lease + TIMERS.watchdog,
  reset: TIMERS.lease + TIMERS.watchdog + TIMERS.reset,
  take: TIMERS.take,
};

export interface FaultOptions {
  readonly policy: Policy;
  /** Faults outside H1: only for policies that do not need it. */
  readonly filters: boolean;
}

/** One fault at this instant; durations reach from a blink to longer than every timer. */
export function drawFault(random: Random, at: number, options: FaultOptions): Fault {
  const host = random.pick(NAMES);
  const link = random.pick(LINKS);
  const ms = drawDuration(random);
  const way = random.pick(["in", "out"] as const);
  const kinds: readonly (() => Fault)[] = [
    () => ({
      at,
      kind: "power-loss",
      host,
      backMs: random.chance(0.5) ? null : Math.round(random.between(3_000, 30_000)),
    }),
    () => ({ at, kind: "reboot", host, backMs: Math.round(random.between(2_000, 25_000)) }),
    () => ({
      at,
      kind: "daemon-crash",
      host,
      backMs: Math.round(random.between(50, random.chance(0.7) ? 1_500 : 20_000)),
    }),
    () => ({
      at,
      kind: random.pick(["announced-reboot", "orderly-restart"] as const),
      host,
      afterMs: Math.round(random.between(100, 9_000)),
      backMs: Math.round(random.between(300, 15_000)),
    }),
    () => ({ at, kind: "brain-stall", host, ms }),
    () => ({ at, kind: "hands-stall", host, ms }),
    () => ({ at, kind: "kernel-freeze", host, ms }),
    () => ({ at, kind: "link-loss", host, link, ms }),
    () => ({ at, kind: "link-loss", host, link, ms }),
    () => ({ at, kind: "both-links-loss", host, ms }),
    () => ({ at, kind: "one-way-loss", host, link, way, ms }),
    () => ({ at, kind: "one-way-both", host, way, ms }),
    () => ({ at, kind: "one-way-filter", host, ms }),
    () => ({ at, kind: "power-on", host }),
    () => ({ at, kind: "bad-link", link, quality: drawQuality(random), ms }),
    () => ({ at, kind: "switch-loss", ms }),
    () => ({ at, kind: "gateway-loss", ms }),
    () => ({ at, kind: "bmc", host, how: random.pick(["dead", "lies", "slow"] as const), ms: 2 * ms }),
    () => ({ at, kind: "target-crash", host }),
    () => drawAction(random, at, host, ms),
    () => drawAction(random, at, host, ms),
    () => ({ at, kind: "slow-host", host, factor: Math.round(random.between(2, 20)), ms }),
    () => ({ at, kind: "drbd-drop" }),
    () => ({ at, kind: "disk-failure", host }),
    () => ({ at, kind: "config-differs", host, ms }),
    () => ({ at, kind: "vip-conflict", ms }),
    () => ({ at, kind: "master-moves" }),
    () => ({ at, kind: "command", host, command: random.pick(COMMANDS) }),
    () => ({ at, kind: "command", host, command: random.pick(COMMANDS) }),
    ...(options.policy === "witness"
      ? [(): Fault => ({ at, kind: "witness-restart", ms }), (): Fault => ({ at, kind: "witness-cut", host, ms })]
      : []),
    ...(options.filters ? [(): Fault => ({ at, kind: "filter", ms }), (): Fault => ({ at, kind: "filter", ms })] : []),
  ];
  return random.pick(kinds)();
}

function drawAction(random: Random, at: number, host: HostName, ms: number): Fault {
  const effect = random.pick(EFFECTS);
  const fault = random.pick(["fails", "done-but-failed", "slow", "late"] as const);
  return { at, kind: "action", host, effect, fault, always: random.chance(0.3), ms };
}

const drawQuality = (random: Random): Quality => ({
  loss: random.chance(0.7) ? random.between(0, 0.5) : 0,
  twice: random.chance(0.5) ? random.between(0, 0.4) : 0,
  delay: random.chance(0.6) ? random.between(5, 900) : 0,
});

/** Makes it happen now; what has a duration ends by itself. */
export function inject(world: World, fault: Fault): void {
  const { sim } = world;
  const { network } = sim;
  sim.faults += 1;
  sim.note("host" in fault ? fault.host : "-", "fault", describeFault(fault));
  switch (fault.kind) {
    case "power-loss":
    case "reboot":
      world.powerOff(fault.host);
      if (fault.backMs !== null) sim.after(fault.backMs, () => world.powerOn(fault.host));
      return;
    case "announced-reboot":
      world.command(fault.host, { kind: "leave" });
      sim.after(fault.afterMs, () => world.powerOff(fault.host));
      return sim.after(fault.afterMs + fault.backMs, () => world.powerOn(fault.host));
    case "orderly-restart":
      world.command(fault.host, { kind: "pause" });
      sim.after(fault.afterMs, () => world.killDaemon(fault.host));
      return sim.after(fault.afterMs + fault.backMs, () => world.startDaemon(fault.host));
    case "daemon-crash":
      world.killDaemon(fault.host);
      return sim.after(fault.backMs, () => world.startDaemon(fault.host));
    case "brain-stall":
      return world.stallDaemon(fault.host, fault.ms);
    case "hands-stall":
      sim.hosts[fault.host].handsUntil = Math.max(sim.hosts[fault.host].handsUntil, sim.now + fault.ms);
      return;
    case "kernel-freeze":
      return world.freeze(fault.host, fault.ms);
    case "link-loss":
      network.links[fault.link][fault.host] = false;
      return sim.after(fault.ms, () => {
        network.links[fault.link][fault.host] = true;
      });
    case "both-links-loss":
      for (const link of LINKS) network.links[link][fault.host] = false;
      return sim.after(fault.ms, () => {
        for (const link of LINKS) network.links[link][fault.host] = true;
      });
    case "one-way-loss":
      network[fault.way][fault.link][fault.host] = false;
      return sim.after(fault.ms, () => {
        network[fault.way][fault.link][fault.host] = true;
      });
    case "one-way-both":
      for (const link of LINKS) network[fault.way][link][fault.host] = false;
      return sim.after(fault.ms, () => {
        for (const link of LINKS) network[fault.way][link][fault.host] = true;
      });
    case "bad-link":
      network.quality[fault.link] = fault.quality;
      return sim.after(fault.ms, () => {
        network.quality[fault.link] = perfect();
      });
    case "switch-loss":
      network.switchUp = false;
      return sim.after(fault.ms, () => {
        network.switchUp = true;
      });
    case "gateway-loss":
      network.gateway = false;
      return sim.after(fault.ms, () => {
        network.gateway = true;
      });
    case "witness-restart":
      sim.witness.up = false;
      return sim.after(fault.ms, () => startWitness(sim));
    case "witness-cut":
      sim.witness.reached[fault.host] = false;
      return sim.after(fault.ms, () => {
        sim.witness.reached[fault.host] = true;
      });
    case "filter":
      for (const name of NAMES) network.filtered[name] = true;
      return sim.after(fault.ms, () => {
        for (const name of NAMES) network.filtered[name] = false;
      });
    case "one-way-filter":
      network.filtered[fault.host] = true;
      return sim.after(fault.ms, () => {
        network.filtered[fault.host] = false;
      });
    case "power-on":
      return world.powerOn(fault.host);
    case "bmc":
      sim.bmc[fault.host] = fault.how;
      return sim.after(fault.ms, () => {
        sim.bmc[fault.host] = "ok";
      });
    case "target-crash":
      return world.killTarget(fault.host);
    case "action": {
      const { actionFaults } = sim.hosts[fault.host];
      actionFaults.set(fault.effect, { fault: fault.fault, always: fault.always });
      return sim.after(fault.ms, () => void actionFaults.delete(fault.effect));
    }
    case "slow-host":
      sim.hosts[fault.host].slowness = fault.factor;
      return sim.after(fault.ms, () => {
        sim.hosts[fault.host].slowness = 1;
      });
    case "drbd-drop":
      for (const resource of sim.resources) loseConnection(sim, sim.hosts[sim.random.pick(NAMES)], resource);
      return;
    case "disk-failure":
      // The last whole copy is spared: no protocol brings back what is on no disk.
      if (holdsEverything(world, other(fault.host))) world.failDisk(fault.host);
      return;
    case "config-differs":
      world.configure(fault.host, { cfgHash: "different" });
      return sim.after(fault.ms, () => world.configure(fault.host, { cfgHash: "same" }));
    case "vip-conflict":
      sim.vipConflict = true;
      return sim.after(fault.ms, () => {
        sim.vipConflict = false;
      });
    case "master-moves":
      return moveMaster(world);
    case "command":
      sim.takeover = null;
      return world.command(fault.host, fault.command);
    default:
      return assertNever(fault);
  }
}

const holdsEverything = ({ sim }: World, name: HostName): boolean =>
  sim.resources.every((resource) => {
    const side = sideOf(sim.hosts[name], resource);
    return holdsData(side) && side.data >= (sim.acked[resource] ?? 0);
  });

/** An operator names the other host pool master; xapi refuses while the hosts can't talk. */
function moveMaster(world: World): void {
  const { a, b } = world.hosts;
  if (!a.power || !b.power || a.disk.xapi === b.disk.xapi || !world.sim.network.switchUp) return;
  for (const h of [a, b]) {
    h.disk.xapi = h.disk.xapi === "master" ? "supporter" : "master";
    observeXapi(world.sim, h);
  }
}

/** No fault is left: cables, devices, disks and switches are as new, nothing stands still. Power is not touched. */
export function healFaults(world: World): void {
  const { sim } = world;
  healNetwork(sim.network);
  sim.witness.reached = { a: true, b: true };
  if (!sim.witness.up) startWitness(sim);
  sim.vipConflict = false;
  for (const name of NAMES) {
    const h = sim.hosts[name];
    sim.bmc[name] = "ok";
    h.actionFaults.clear();
    h.slowness = 1;
    h.stalledUntil = Math.min(h.stalledUntil, sim.now);
    h.handsUntil = Math.min(h.handsUntil, sim.now);
    h.frozenUntil = Math.min(h.frozenUntil, sim.now);
    world.configure(name, { cfgHash: "same", heuristics: ["gateway"] });
    if (h.disk.broken) world.replaceDisk(name);
  }
}

export function describeFault(fault: Fault): string {
  const words = Object.entries(fault).flatMap(([key, value]) =>
    key === "at" || key === "kind" ? [] : [`${key}=${typeof value === "object" ? JSON.stringify(value) : value}`],
  );
  return [fault.kind, ...words].join(" ");
}
