// D8 for a member: without a leader and without a majority behind it another host may start its VMs, so they stand still;
// the watchdog is the backstop. Only a leader's word ends that, never a majority that comes back.

import { valueOf } from "../model/observation.ts";
import type { Instant } from "../model/time.ts";
import {
  endangered,
  inContact,
  informed,
  isStorageHost,
  leaderOf,
  leads,
  others,
  standsStill,
  supportedAt,
} from "./facts.ts";
import type { PoolEffectBody, PoolState } from "./model.ts";
import { alert, change, effect, log, type PoolTurn } from "./turn.ts";

/** The newest instant at which this host's VMs were provably its own. */
export function keepLease(turn: PoolTurn): void {
  const { state, now } = turn;
  if (isStorageHost(state.config)) return;
  const leader = leaderOf(state, now);
  const byLeader = leader?.body?.supports === true ? leader.authorityAt : null;
  const proofs = [state.leaseFrom, byLeader, supportedAt(state, now)].filter((at) => at !== null && at !== undefined);
  if (proofs.length === 0) return;
  const leaseFrom = Math.max(...proofs);
  if (leaseFrom !== state.leaseFrom) change(turn, { leaseFrom });
}

export function selfFence(turn: PoolTurn, tick: boolean): void {
  const { state, now } = turn;
  if (isStorageHost(state.config)) return;
  const lost = endangered(state, now);
  if (lost) stopDomains(turn);
  else if (mayRunOn(state, now)) runOn(turn);
  destroyTaken(turn);
  keepWatchdog(turn);
  if (!tick || !state.config.watchdogUsed || !state.watchdogArmed) return;
  // FENCE_REBOOT_LONE_HOST lets the watchdog fire; a host that heard nobody since its start has done that already.
  const reboots = state.config.rebootLoneHost && state.leaseFrom !== null;
  const fenced = turn.state.softFenced && standsStill(turn.state);
  if (lost && (!fenced || reboots)) return;
  const every = Math.min(1_000, state.config.timers.watchdog / 5);
  if (state.tokenAt !== null && now - state.tokenAt < every) return;
  turn.actions.push({ kind: "token" });
  change(turn, { tokenAt: now });
}

function begin(turn: PoolTurn, body: PoolEffectBody): boolean {
  const { state, now } = turn;
  if (state.doing !== null || now < state.retryAt) return false;
  change(turn, { doing: { kind: body.kind, id: effect(turn, body) } });
  return true;
}

function stopDomains(turn: PoolTurn): void {
  const { state } = turn;
  if (standsStill(state)) {
    if (!state.softFenced) log(turn, "self-fence.complete", "every domain stands still");
    return change(turn, { softFenced: true });
  }
  if (!begin(turn, { kind: "pause-domains" })) return;
  // From the order on: what it pauses runs on by a leader's word, although that may come before the order is through.
  change(turn, { softFenced: true });
  log(turn, "self-fence.begun", "neither a leader nor a majority of the pool answers", "warn");
  alert(turn, "self-fence", "this host paused its VMs: it is cut off from the pool and they may be started elsewhere");
}

/** Does somebody who knows of every death, maybe this host itself, count it among the living? */
function mayRunOn(state: PoolState, now: Instant): boolean {
  if (!state.softFenced || state.dead.includes(state.config.hostId)) return false;
  if (leads(state, now)) return informed(state);
  const leader = leaderOf(state, now);
  if (leader?.body === null || leader === undefined || !inContact(state, leader, now)) return false;
  const { body } = leader;
  return body.supports && body.informed && !body.dead.includes(state.config.hostId);
}

function runOn(turn: PoolTurn): void {
  const { state, now } = turn;
  if (state.doing?.kind === "pause-domains") return;
  if (valueOf(state.domains)?.some((d) => d.paused) === true) {
    // What runs elsewhere by now is destroyed here, whoever started it (V2).
    const elsewhere = others(state).flatMap(([, one]) => (inContact(state, one, now) ? (one.body?.domains ?? []) : []));
    begin(turn, { kind: "unpause-domains", destroy: elsewhere });
    return;
  }
  change(turn, { softFenced: false });
  turn.actions.push({ kind: "alert-over", id: "self-fence" });
  log(turn, "state.changed", "the pool answers again: the VMs of this host run on");
}

/** D16: this host was declared dead. XAPI has forgotten its domains, and they may run elsewhere. */
function destroyTaken(turn: PoolTurn): void {
  const { state, now } = turn;
  const { hostId } = state.config;
  const mine = leads(state, now) && informed(state) && state.dead.includes(hostId);
  if (!mine && leaderOf(state, now)?.body?.dead.includes(hostId) !== true) return;
  const domains = valueOf(state.domains)?.map(({ uuid }) => uuid);
  if (domains === undefined) return;
  if (domains.length === 0) {
    if (mine) change(turn, { dead: state.dead.filter((id) => id !== hostId), urgent: true });
    return;
  }
  if (!begin(turn, { kind: "destroy-domains", domains })) return;
  const because = "this host was declared dead, and its VMs started elsewhere";
  log(turn, "vm.destroyed", `${domains.length} domains: ${because}`, "warn");
}

/** A6: armed whenever HA is on; a stop that the others know of lets it go. */
function keepWatchdog(turn: PoolTurn): void {
  const { state } = turn;
  if (!state.config.watchdogUsed) return;
  const wanted = state.durable.ha !== "off" && state.departure?.agreed !== true;
  if (wanted === state.watchdogArmed) return;
  begin(turn, { kind: wanted ? "watchdog-arm" : "watchdog-disarm" });
}
