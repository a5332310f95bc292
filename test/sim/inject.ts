// Faults happen, end by themselves after their time, and are all healed at the end of a schedule.

import { cautious } from "../../src/config/reload.ts";
import { inContact } from "../../src/core/facts.ts";
import type { Command } from "../../src/core/model/event.ts";
import { assertNever } from "../../src/util/assert.ts";
import { loseConnection, takeDown } from "./drbd.ts";
import { describeFault, type Fault } from "./faults.ts";
import { holdsData } from "./handshake.ts";
import { healNetwork, LINKS, perfect } from "./network.ts";
import { observeDomains, observeXapi } from "./observe.ts";
import { NAMES, other, scaledTimers, testRecord, TIMERS, type HostName } from "./settings.ts";
import { freshGeneration, serves, sideOf, type Host } from "./sim.ts";
import { localNow, slew } from "./stage.ts";
import { startWitness } from "./witness.ts";
import type { World } from "./world.ts";

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
      if (fault.emptied === true) sim.witness.table = {};
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
    case "vms-end":
      return endVms(world, fault.host, fault.unheard);
    case "power-on":
      return world.powerOn(fault.host);
    case "bmc":
      sim.bmc[fault.host] = fault.how;
      return sim.after(fault.ms, () => {
        sim.bmc[fault.host] = "ok";
      });
    case "target-crash":
      return world.killTarget(fault.host);
    case "target-hang":
      sim.hosts[fault.host].targetDeep = fault.deep;
      return hang(world, fault.kind, fault.host, fault.ms);
    case "drbd-stall":
    case "xapi-hang":
      return hang(world, fault.kind, fault.host, fault.ms);
    case "torn-record":
      world.powerOff(fault.host);
      // One host at a time: without any record nobody knows which epochs there were.
      sim.hosts[fault.host].disk.damaged = !sim.hosts[other(fault.host)].disk.damaged;
      return sim.after(fault.backMs, () => world.powerOn(fault.host));
    case "clock-jump":
      return slew(sim, sim.hosts[fault.host], 1 + fault.ppm / 1e6);
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
    case "resource-down":
      return takeDown(sim, sim.hosts[fault.host], fault.resource);
    case "drbd-drop":
      for (const resource of sim.resources) loseConnection(sim, sim.hosts[sim.random.pick(NAMES)], resource);
      return;
    case "slow-resync":
      sim.resyncMs = fault.ms;
      return sim.after(fault.ms, () => {
        sim.resyncMs = null;
      });
    case "grown-apart":
      return growApart(world);
    case "disk-failure":
      // The last whole copy is spared: no protocol brings back what is on no disk.
      if (holdsEverything(world, other(fault.host))) world.failDisk(fault.host);
      return;
    case "config-differs": {
      const before = sim.hosts[fault.host].config.cfgHash;
      const different = `different-${sim.now}`;
      world.configure(fault.host, { cfgHash: different });
      return sim.after(fault.ms, () => {
        if (sim.hosts[fault.host].config.cfgHash === different) world.configure(fault.host, { cfgHash: before });
      });
    }
    case "config-changes":
      return changeTimers(world, fault);
    case "vip-conflict":
      sim.vipConflict = true;
      return sim.after(fault.ms, () => {
        sim.vipConflict = false;
      });
    case "master-moves":
      return moveMaster(world);
    case "command":
      if (wouldBeSaid(world, fault.host, fault.command)) world.command(fault.host, fault.command);
      return;
    default:
      return assertNever(fault);
  }
}

const PARTS = { "target-hang": "targetUntil", "drbd-stall": "drbdUntil", "xapi-hang": "toolstackUntil" } as const;

/** XAPI_COUNT × XAPI_DELAY of the toolstack's restarts are over (D18). */
const TOOLSTACK_LOST_MS = 12_000;

function hang(world: World, kind: keyof typeof PARTS, name: HostName, ms: number): void {
  const { sim } = world;
  const h = sim.hosts[name];
  const part = PARTS[kind];
  h[part] = Math.max(h[part], sim.now + ms);
  if (kind !== "xapi-hang") return;
  const beyond = (): boolean => h.toolstackUntil > sim.now;
  sim.after(TOOLSTACK_LOST_MS, () => {
    if (beyond()) sim.feed(h, { kind: "toolstack", beyondRepair: true });
  });
  sim.after(ms + 1, () => {
    if (!beyond()) toolstackAnswers(world, name);
  });
}

function toolstackAnswers({ sim }: World, name: HostName): void {
  const h = sim.hosts[name];
  h.toolstackUntil = Math.min(h.toolstackUntil, sim.now);
  sim.feed(h, { kind: "toolstack", beyondRepair: false });
  observeXapi(sim, h);
}

/**
 * As the daemon's message tells the operator: where the other host serves, the damaged file is moved away and the next daemon
 * starts like on a new host; where it does not, this host may hold the newest data and the file comes back from a backup.
 */
function mendRecord({ sim }: World, { disk, name }: Host): void {
  disk.damaged = false;
  if (serves(sim, sim.hosts[other(name)])) disk.record = testRecord(name, { ha: "off", peerHa: "off" });
  disk.synced = disk.record;
}

/** As config/reload does: careful values until the other host shows the same hash, then the new ones. */
function changeTimers(world: World, { host, factor, gapMs }: Fault & { kind: "config-changes" }): void {
  const { sim } = world;
  const cfgHash = `changed-${sim.now}`;
  for (const name of NAMES) {
    sim.after(name === host ? 0 : gapMs, () => {
      if (sim.healed) return;
      const h = sim.hosts[name];
      const next = { ...h.config, cfgHash, timers: scaledTimers(factor) };
      world.configure(name, cautious(h.config, next));
      const settle = (): void => {
        if (h.config.cfgHash !== cfgHash) return;
        if (h.state?.peer.body?.cfgHash === cfgHash) world.configure(name, next);
        else sim.after(500, settle);
      };
      settle();
    });
  }
}

function growApart({ sim }: World): void {
  sim.grownApart = true;
  for (const name of NAMES) {
    for (const resource of sim.resources) {
      const side = sideOf(sim.hosts[name], resource);
      const { current, history } = side.generation;
      side.generation = { current: freshGeneration(sim), bitmap: current, history };
    }
  }
}

export const holdsEverything = ({ sim }: World, name: HostName): boolean =>
  sim.resources.every((resource) => {
    const side = sideOf(sim.hosts[name], resource);
    return holdsData(side) && side.data >= (sim.acked[resource] ?? 0);
  });

/**
 * F6: an operator looks before he confirms that a host is off, or leaves HA without its word, and takes the storage by force
 * only where that loses nothing: the other host is off, will not come back as the owner alone, and this copy holds every
 * acknowledged write. After a split brain the copy that stays is one that holds them all.
 */
function wouldBeSaid(world: World, name: HostName, { kind, ...command }: Command): boolean {
  const host = world.hosts[name];
  const peer = world.hosts[other(name)];
  const talks = host.state !== null && inContact(host.state, localNow(world.sim, host));
  if (kind === "confirm-peer-off") return !peer.power || talks;
  if (kind === "resolve-split-brain") return holdsEverything(world, name);
  if (!("force" in command) || !command.force) return true;
  if (kind === "disable") return !peer.power || talks;
  if (kind !== "become-primary") return true;
  const comesBack = world.sim.resources.every((resource) => peer.disk.record.solo[resource] === true);
  return talks || (!peer.power && !comesBack && holdsEverything(world, name));
}

/** Shut down on purpose: nobody starts them again. */
function endVms({ sim }: World, name: HostName, unheard = false): void {
  const { domains } = sim.hosts[name];
  if (!unheard) for (const uuid of domains.keys()) sim.residence.set(uuid, null);
  domains.clear();
  observeDomains(sim, sim.hosts[name]);
}

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
  sim.healed = true;
  healNetwork(sim.network);
  sim.witness.reached = { a: true, b: true };
  if (!sim.witness.up) startWitness(sim);
  sim.vipConflict = false;
  sim.resyncMs = null;
  for (const name of NAMES) {
    const h = sim.hosts[name];
    sim.bmc[name] = "ok";
    h.actionFaults.clear();
    h.slowness = 1;
    h.stalledUntil = Math.min(h.stalledUntil, sim.now);
    h.handsUntil = Math.min(h.handsUntil, sim.now);
    h.frozenUntil = Math.min(h.frozenUntil, sim.now);
    h.targetUntil = Math.min(h.targetUntil, sim.now);
    h.drbdUntil = Math.min(h.drbdUntil, sim.now);
    toolstackAnswers(world, name);
    world.configure(name, { cfgHash: "same", heuristics: ["gateway"], timers: TIMERS });
    if (h.disk.damaged) mendRecord(world, h);
    if (h.disk.broken) world.replaceDisk(name);
  }
}
