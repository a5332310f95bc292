// The invariants of protocol.md 10 on the simulated world. Safety after every event; V10 once per kernel period.
// V4 and V9's second half are checked where DRBD promotes and demotes, V6's durability where an effect happens.

import { inContact, view } from "../../src/core/facts.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { Event } from "../../src/core/model/event.ts";
import type { State } from "../../src/core/model/state.ts";
import type { Action } from "../../src/core/plan/action.ts";
import { readable } from "./drbd.ts";
import { reachesGateway } from "./network.ts";
import { NAMES, other } from "./settings.ts";
import { awake, breaksF5, exposes, serves, sideOf, type Host, type Sim } from "./sim.ts";
import { localNow } from "./stage.ts";

export function checkStep(sim: Sim, h: Host, before: State, after: State, event: Event): void {
  if (before === after) return;
  if (after.durable.epoch < before.durable.epoch) sim.violate(`V6 ${h.name} forgot epoch ${before.durable.epoch}`);
  const proven = before.fence.verifiedAt === null && after.fence.verifiedAt !== null;
  if (proven && !(event.kind === "result" && event.ok && event.id === before.fence.pending))
    sim.violate(`V8 ${h.name} takes the other host for off without a verified power-off`);
}

/** What the decision function asks for, judged by what it knows and by what is true. */
export function checkAction(sim: Sim, h: Host, action: Action): void {
  const { state } = h;
  if (state === null) return;
  switch (action.kind) {
    case "fence": {
      const peer = sim.hosts[other(h.name)];
      const { peerHa, peerFlags } = state.durable;
      // A13: the word covers what the digest shows as given back, and it expires.
      const { body, heardAt } = state.peer;
      const recent = heardAt !== null && localNow(sim, h) - heardAt < state.config.timers.leave;
      const gaveBack = body?.owner !== peer.name && body?.domains.length === 0 && recent;
      const leaves = body?.intent === "paused" || (body?.intent === "leaving" && gaveBack);
      if (action.hostId === h.name) sim.violate(`V7 ${h.name} fences itself`);
      if (inContact(state, localNow(sim, h))) sim.violate(`V7 ${h.name} fences a host in contact`);
      if (leaves) sim.violate(`V7 ${h.name} fences a leaving host`);
      if (peerHa !== "on" || peerFlags.maintenance || disabled(peer.disk.record) || peer.disk.record.flags.maintenance)
        sim.violate(`V7 ${h.name} fences a host that is disabled or in maintenance`);
      return automatic(sim, h, "fences");
    }
    case "alert":
      // D18 where it is decided: a release in its middle goes on although HA is being switched off meanwhile.
      if (action.id === "auto-release") automatic(sim, h, GIVES_AWAY);
      return;
    case "promote":
      sideOf(h, action.resource).askedFrom = view(state, action.resource)?.disk ?? null;
      return;
    case "vip-add":
      if (!h.target.filled) sim.violate(`V9 floating IP asked for before the LUN is exported on ${h.name}`);
      return;
    case "recover-peer":
      return automatic(sim, h, "starts the other host's VMs");
    case "xapi-promote":
      return automatic(sim, h, "promotes its toolstack");
    case "xapi-reset-left":
      return automatic(sim, h, "halts the other host's VMs in the database");
    case "recover-supporters":
      return automatic(sim, h, "makes the other toolstack a supporter");
    case "start-confirmed":
    case "destroy-domains":
      return automatic(sim, h, `orders ${action.kind} (A22)`);
    case "persist": {
      const { record } = action;
      if (operated(h)) return;
      if (takesOver(sim, h, record)) automatic(sim, h, TAKES_OVER);
      return;
    }
    default:
      return;
  }
}

/** A record that begins anew says off too, without anybody having said so. */
const disabled = ({ ha, epoch }: DurableRecord): boolean => ha === "off" && epoch > 0;

/** The record makes this host the owner without a word of the other one. */
const takesOver = (sim: Sim, h: Host, record: DurableRecord): boolean =>
  record.owner === h.name && h.disk.record.owner !== h.name && sim.resources.every((r) => record.solo[r] === true);

/** V6 and V12, when a record reaches the disk. */
export function checkRecord(sim: Sim, h: Host, record: DurableRecord): void {
  if (record.epoch < h.disk.record.epoch) sim.violate(`V6 epoch went back on ${h.name}`);
  if (record.owner !== null) {
    const known = sim.epochOwners.get(record.epoch);
    if (known !== undefined && known !== record.owner)
      sim.violate(`V6 epoch ${record.epoch} has two owners: ${known} and, on ${h.name}, ${record.owner}`);
    sim.epochOwners.set(record.epoch, record.owner);
  }
  checkMoves(sim, h, record);
}

const HOUR_MS = 3_600_000;
/** F3: the hosts measure with their own clocks. */
const BY_ANY_CLOCK = 0.999;

/** V12, D15: automatic moves of the storage between which neither a person acted nor a resync completed (A23). */
function checkMoves(sim: Sim, h: Host, record: DurableRecord): void {
  const received = record.owner === h.name && h.disk.record.owner !== h.name;
  const counted = received && record.takeovers > h.disk.record.takeovers;
  if (operated(h) || !(takesOver(sim, h, record) || counted)) return;
  const last = sim.moves.at(-1);
  if (last !== undefined && sim.now - last < h.config.timers.flap * BY_ANY_CLOCK)
    sim.violate(`V12 the storage moves to ${h.name} by itself ${Math.round(sim.now - last)} ms after it moved before`);
  if (sim.moves.filter((at) => sim.now - at < HOUR_MS * BY_ANY_CLOCK).length >= 2)
    sim.violate(`V12 the storage moves to ${h.name} by itself, the third time within an hour`);
  sim.moves = [...sim.moves, sim.now];
}

/** An operator ordered this move of the storage. */
const operated = ({ state }: Host): boolean =>
  state?.commands.some(({ kind }) => kind === "switch" || kind === "become-primary") === true;

const TAKES_OVER = "takes over";
const GIVES_AWAY = "gives the storage away";

/** V5 by D1 and A20: what nobody ordered happens only while HA is on in both last-known records. */
function automatic(sim: Sim, h: Host, what: string): void {
  const { ha, peerHa, flags, peerFlags } = h.disk.record;
  if (ha !== "on" || peerHa !== "on")
    sim.violate(`V5 ${h.name} ${what} although HA is ${ha} there and ${peerHa} on the other host`);
  // A20: manual mode is about the storage; HA goes on restarting VMs and fencing for that.
  const moves = what === TAKES_OVER || what === GIVES_AWAY;
  if (moves && (flags.manual || peerFlags.manual)) sim.violate(`V5 ${h.name} ${what} in manual mode`);
  if (flags.maintenance || peerFlags.maintenance) sim.violate(`V5 ${h.name} ${what} in maintenance`);
}

export function checkWorld(sim: Sim): void {
  const { a, b } = sim.hosts;
  const aServes = serves(sim, a);
  const bServes = serves(sim, b);
  // By V1's own words; whatever else keeps the initiators away from one of them.
  if (exposes(sim, a) && exposes(sim, b)) {
    if (breaksF5(sim, a) || breaksF5(sim, b)) sim.f5Broken = true;
    else sim.violate("V1 both serve");
  }
  if (aServes) checkData(sim, a);
  if (bServes) checkData(sim, b);
  for (const [uuid, domain] of a.domains) {
    const there = b.domains.get(uuid);
    if (!domain.paused && there !== undefined && !there.paused) sim.violate(`V2 ${uuid} runs on both hosts`);
  }
}

function checkData(sim: Sim, h: Host): void {
  for (const resource of sim.resources) {
    const acked = sim.acked[resource] ?? 0;
    const has = readable(sim, h, resource);
    if (has < acked) sim.violate(`V3 ${h.name} serves ${resource} with write ${has}, write ${acked} was acknowledged`);
  }
}

/** Once per kernel period: invariants about durations. */
export function createWatch(sim: Sim): () => void {
  let votesSince = 0;
  let beatAt = 0;
  const armedSince: Partial<Record<Host["name"], number>> = {};
  sim.heartbeatArrived = () => {
    beatAt = sim.now;
  };

  const votes = (h: Host): boolean => awake(sim, h) && reachesGateway(sim.network, h.name);

  function h1(): void {
    const voting = votes(sim.hosts.a) && votes(sim.hosts.b);
    if (!voting) votesSince = sim.now;
    if (sim.now - Math.max(votesSince, beatAt) > sim.hosts.a.config.timers.dead) sim.h1Broken = true;
  }

  return () => {
    h1();
    for (const name of NAMES) {
      const h = sim.hosts[name];
      if (!awake(sim, h)) h.awakeSince = sim.now;
      if (!h.power) continue;
      for (const resource of sim.resources) {
        const side = sideOf(h, resource);
        if (h.vip && side.role !== "Primary") sim.violate(`V9 ${name} has the floating IP and is not Primary`);
        if (!side.suspended) side.suspendedSince = sim.now;
        else checkSuspended(sim, h, side.suspendedSince);
      }
      // The watchdog follows the mode within the time of a repair and its first repetitions.
      const wrong = h.watchdog.armed && h.disk.record.ha === "off";
      if (!wrong) armedSince[name] = sim.now;
      const since = Math.max(armedSince[name] ?? sim.now, h.awakeSince, h.handsUntil);
      if (wrong && sim.now - since > 10_000) sim.violate(`V5 ${name} keeps its watchdog armed although HA is off`);
    }
  };
}

/** V10: resumed, failed over, or alarmed. */
function checkSuspended(sim: Sim, h: Host, since: number): void {
  const { timers } = h.config;
  const began = Math.max(since, h.awakeSince, h.handsUntil);
  if (sim.now - began <= timers.take + 5_000 || serves(sim, sim.hosts[other(h.name)])) return;
  if (h.alertedAt >= since || (h.state?.blocked ?? null) !== null) return;
  sim.violate(`V10 I/O is suspended on ${h.name} for ${Math.round(sim.now - began)} ms and nobody was told`);
}
