// What the two kernels and the machinery around them do: DRBD's network, the hypervisor's watchdog, and the effects
// that the decision function asks for. Own model of DRBD 8.4 with protocol C and `resource-and-stonith` (protocol.md F5).

import type { Effect } from "../../src/core/plan/action.ts";
import { assertNever } from "../../src/util/assert.ts";
import { CONN, DISK, VM, VM_NAMES, type Host } from "./host.ts";
import { otherSide, RESOURCE, SIDES, WATCHDOG_TICKS, type Side } from "./scale.ts";
import { GENERATION, type World } from "./world.ts";

const RESYNC_TICKS = 2;

/** A new power-on: DRBD attaches UpToDate only where the peer is known Outdated, else Consistent. */
export function powerOn(world: World, side: Side): void {
  const h = world.host(side);
  h.power = 1;
  if (h.disk === DISK.upToDate && h.peerOutdated === 0) h.disk = DISK.consistent;
}

/** One tick of time for the kernels: lost and found connections, resync, watchdogs. */
export function kernelTick(world: World): void {
  for (const side of SIDES) {
    const h = world.host(side);
    if (h.power === 1 && h.armed === 1 && world.surroundings.watchdog) {
      h.fed += 1;
      if (h.fed >= WATCHDOG_TICKS) {
        world.say(side, "the watchdog stops this host");
        world.powerOff(side);
      }
    }
  }
  if (world.mirroring()) return resyncTick(world);
  // DRBD notices within T_drbd, which is one tick; a frozen kernel notices nothing.
  for (const side of SIDES) if (world.kernelAlive(side)) disconnect(world, side);
  connect(world);
}

function disconnect(world: World, side: Side): void {
  const h = world.host(side);
  if (h.conn !== CONN.connected) return;
  h.conn = CONN.connecting;
  world.resync = 0;
  world.say(side, "DRBD loses its connection");
  if (h.role === 1 && world.surroundings.suspend) {
    h.suspended = 1;
    h.handler = 1;
  }
}

function connect(world: World): void {
  const [a, b] = world.hosts;
  const ready = (h: Host, side: Side): boolean => world.kernelAlive(side) && h.up === 1 && h.conn === CONN.connecting;
  if (!ready(a, 0) || !ready(b, 1) || !world.replicationUp()) return;
  if (a.role === 1 && b.role === 1) return;
  if (world.generation === GENERATION.apart) {
    for (const h of [a, b]) h.conn = CONN.standAlone;
    return;
  }
  const newer = world.newerSide();
  if (newer === null) {
    for (const h of [a, b]) h.disk = DISK.upToDate;
    world.history?.forgetMoves();
  } else {
    const target = world.host(otherSide(newer));
    // A Primary never becomes the target of a resync.
    if (target.role === 1) return;
    world.host(newer).disk = DISK.upToDate;
    target.disk = DISK.inconsistent;
    world.resync = RESYNC_TICKS;
  }
  for (const h of [a, b]) {
    h.conn = CONN.connected;
    h.peerOutdated = 0;
    h.suspended = 0;
  }
  world.story?.push(`   DRBD connects${newer === null ? "" : `, resync from ${newer === 0 ? "a" : "b"}`}`);
}

function resyncTick(world: World): void {
  if (world.resync === 0) return;
  world.resync -= 1;
  const newer = world.newerSide();
  if (world.resync > 0 || newer === null) return;
  const source = world.host(newer);
  const target = world.host(otherSide(newer));
  target.disk = DISK.upToDate;
  target.fresh = source.fresh;
  world.generation = GENERATION.same;
  world.history?.forgetMoves();
}

/** Writes are acknowledged wherever storage serves; a Primary without its peer starts a generation of its own. */
export function write(world: World): void {
  for (const side of SIDES) {
    const h = world.host(side);
    if (h.role === 1 && h.conn !== CONN.connected && h.suspended === 0 && world.kernelAlive(side) && h.up === 1) {
      const mine = side === 0 ? GENERATION.aNewer : GENERATION.bNewer;
      if (world.generation === GENERATION.same) world.generation = mine;
      else if (world.generation !== mine) world.generation = GENERATION.apart;
    }
    if (!world.serves(side)) continue;
    // Protocol C: with a connection that is only thought to live, nothing is acknowledged.
    if (h.conn === CONN.connected && !world.mirroring()) continue;
    if (h.fresh === 0) world.broke(`V3 ${side === 0 ? "a" : "b"} serves without every acknowledged write`);
    const peer = world.host(otherSide(side));
    if (h.conn !== CONN.connected) peer.fresh = 0;
  }
}

/** Who answers DRBD's fence-peer handler during a promotion: the host's own daemon, 0 = it did not. */
export type AskHandler = (side: Side) => 0 | 1 | 4 | 6 | 7;

/** Does what the effect asks on this host; false = it failed. */
export function perform(world: World, side: Side, effect: Effect, ask: AskHandler): boolean {
  const h = world.host(side);
  const peer = world.host(otherSide(side));
  switch (effect.kind) {
    case "persist":
      world.history?.recorded(world, side, effect.record);
      return true;
    case "drbd-up":
      h.up = 1;
      return true;
    case "drbd-connect":
      if (h.conn === CONN.standAlone) h.conn = CONN.connecting;
      return true;
    case "drbd-discard":
      // Nobody resolves a split brain here: it needs a person.
      return false;
    case "promote":
      return promote(world, side, ask);
    case "demote":
      if (h.filled === 1) return false;
      if (h.vip === 1) world.broke("V9 demoted while the floating IP is here");
      h.role = 0;
      h.suspended = 0;
      return true;
    case "outdate":
      if (h.conn === CONN.connected || h.role === 1) return false;
      if (h.disk > DISK.outdated) h.disk = DISK.outdated;
      return true;
    case "resume-io":
      h.suspended = 0;
      return true;
    case "target-warm":
      h.running = 1;
      return true;
    case "target-fill":
      if (h.role !== 1) return false;
      h.running = 1;
      h.filled = 1;
      h.barred = Number(effect.bar);
      return true;
    case "target-bar-peer":
      h.barred = 1;
      return true;
    case "portal-open":
      h.portal = 1;
      return true;
    case "target-withdraw":
      h.running = 0;
      h.filled = 0;
      h.portal = 0;
      h.barred = 0;
      return true;
    case "hush-portal":
      h.blocked = Number(effect.what !== "off");
      return true;
    case "block-portal":
      h.blocked = 1;
      return true;
    case "unblock-portal":
      h.blocked = 0;
      return true;
    case "vip-add":
      if (h.role !== 1 || h.filled === 0)
        world.broke("V9 floating IP added before DRBD is Primary and the LUN is there");
      h.vip = 1;
      return true;
    case "vip-remove":
      h.vip = 0;
      return true;
    case "pause-domains":
      if (h.vmA === VM.running) h.vmA = VM.paused;
      if (h.vmB === VM.running) h.vmB = VM.paused;
      return true;
    case "unpause-domains":
      h.vmA = effect.destroy.includes(VM_NAMES[0]) ? VM.absent : h.vmA === VM.paused ? VM.running : h.vmA;
      h.vmB = effect.destroy.includes(VM_NAMES[1]) ? VM.absent : h.vmB === VM.paused ? VM.running : h.vmB;
      return true;
    case "destroy-domains":
      if (effect.domains.includes(VM_NAMES[0])) h.vmA = VM.absent;
      if (effect.domains.includes(VM_NAMES[1])) h.vmB = VM.absent;
      return true;
    case "start-confirmed":
      if (effect.domains.includes(VM_NAMES[0])) h.vmA = VM.running;
      if (effect.domains.includes(VM_NAMES[1])) h.vmB = VM.running;
      return true;
    case "fence":
      // The device is reached over the management network.
      if (world.vote[side] === 0 || world.bmc[otherSide(side)] === 0) return false;
      world.say(otherSide(side), "is powered off by its fence device");
      world.powerOff(otherSide(side));
      return true;
    case "watchdog-arm":
      h.armed = 1;
      h.fed = 0;
      return true;
    case "watchdog-disarm":
      h.armed = 0;
      h.fed = 0;
      return true;
    case "xapi-promote":
      if (!world.facts(side).mayPromote) return false;
      h.master = 1;
      return true;
    case "xapi-designate":
      h.master = 0;
      peer.master = 1;
      return true;
    case "xapi-reset-left":
      return world.facts(side).mayRestart;
    case "recover-supporters":
      peer.master = 0;
      return true;
    case "recover-peer":
      if (!world.facts(side).mayRestart) return false;
      if (h.vmA === VM.absent) h.vmA = VM.running;
      if (h.vmB === VM.absent) h.vmB = VM.running;
      return true;
    default:
      return assertNever(effect);
  }
}

function promote(world: World, side: Side, ask: AskHandler): boolean {
  const h = world.host(side);
  const peer = world.host(otherSide(side));
  if (h.role === 1) return true;
  if (h.up === 0) return false;
  const connected = h.conn === CONN.connected;
  if (connected && peer.role === 1) return false;
  if (connected && !world.mirroring()) return false;
  if (h.disk < DISK.consistent && !(connected && peer.disk === DISK.upToDate)) return false;
  const before = h.disk;
  if (!connected && h.peerOutdated === 0) {
    const code = ask(side);
    if (code !== 4 && code !== 7) return false;
    h.peerOutdated = 1;
    // The answer makes a Consistent copy UpToDate, whatever the other one holds.
    h.disk = DISK.upToDate;
  } else if (!connected && before === DISK.consistent) return false;
  if (before !== DISK.upToDate) world.broke(`V4 ${RESOURCE} is promoted from a disk that is not UpToDate`);
  const { owner } = world.facts(side);
  if (owner !== world.locals[side].config.hostId) world.broke("V6 promoted before the ownership is durable");
  h.role = 1;
  return true;
}
