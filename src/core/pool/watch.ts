// The leader watches every other host by itself: several may be lost at once, and what becomes of one holds up no other.

import { inForce } from "../rules.ts";
import { freshFence } from "../model/state.ts";
import {
  barQuorumOf,
  barring,
  deathDoubt,
  inContact,
  leads,
  lossForbidden,
  provenOff,
  silenceMs,
  watched,
} from "./facts.ts";
import type { Neighbour, PoolState } from "./model.ts";
import { alert, change, changeHost, log, type PoolTurn } from "./turn.ts";

export function watchHosts(turn: PoolTurn): void {
  if (!leads(turn.state, turn.now)) return;
  for (const [hostId] of watched(turn.state)) {
    const one = turn.state.neighbours[hostId];
    if (one === undefined) continue;
    if (inContact(turn.state, one, turn.now)) back(turn, hostId, one);
    else missing(turn, hostId, one);
  }
}

function missing(turn: PoolTurn, hostId: string, one: Neighbour): void {
  const { state, now } = turn;
  if (one.barSince === null) {
    if (silenceMs(state, one, now) < state.config.timers.dead) return;
    // A host that was never heard may be in maintenance, or not there yet; a person may say that it is off.
    if (one.body === null && !one.fence.confirmed) return;
    if (lossForbidden(state, one, now) !== undefined) return;
    log(turn, "peer.dead", `${hostId} is silent: the other hosts are asked not to stand behind it`, "warn");
    changeHost(turn, hostId, { barSince: now });
    return change(turn, { bars: [...new Set([...turn.state.bars, hostId])], urgent: true });
  }
  const enough = barring(state, hostId) >= barQuorumOf(state.config);
  if (enough && one.quorumAt === null) changeHost(turn, hostId, { quorumAt: now });
  if (!enough && one.quorumAt !== null) changeHost(turn, hostId, { quorumAt: null });
  tell(turn, hostId);
}

/** What nobody can settle by itself is told once, when it has had the time to settle. */
function tell(turn: PoolTurn, hostId: string): void {
  const { state, now } = turn;
  const one = state.neighbours[hostId];
  if (one?.barSince === null || one === undefined || one.told) return;
  const { take, dead } = state.config.timers;
  if (now - one.barSince < take + 2 * dead) return;
  const doubt = lossForbidden(state, one, now) ?? deathDoubt(state, one, now);
  if (doubt === undefined) return;
  changeHost(turn, hostId, { told: true });
  alert(turn, `lost:${hostId}`, `${hostId} is silent and its VMs are not started elsewhere: ${doubt}`);
}

/** It answers: nothing more is done against it; a host that was declared dead comes back only without its old domains. */
function back(turn: PoolTurn, hostId: string, one: Neighbour): void {
  const { state } = turn;
  if (one.barSince !== null) log(turn, "peer.contact", `${hostId} answers again`);
  if (one.told || one.fence.lastFailure !== null) {
    turn.actions.push({ kind: "alert-over", id: `lost:${hostId}` }, { kind: "alert-over", id: `fence:${hostId}` });
  }
  const isDead = state.dead.includes(hostId);
  if (isDead && !readmissible(state, one)) return;
  if (isDead) log(turn, "peer.contact", `${hostId} is one of the pool's hosts again`);
  const fenceRests = one.fence.pending !== null || (one.fence.attempts === 0 && !provenOff(one));
  if (fenceRests && one.barSince === null && one.recovery === null && !isDead && !state.bars.includes(hostId)) return;
  changeHost(turn, hostId, {
    barSince: null,
    quorumAt: null,
    told: false,
    recovery: null,
    // A fence that is under way is not forgotten: it may still hit, and there is at most one at a time (D14).
    fence: one.fence.pending === null ? freshFence : one.fence,
  });
  change(turn, {
    bars: state.bars.filter((id) => id !== hostId),
    dead: state.dead.filter((id) => id !== hostId),
    urgent: true,
  });
}

/** D16: none of the domains that XAPI forgot with its death may run on. */
const readmissible = (state: PoolState, one: Neighbour): boolean =>
  one.recovery?.phase !== "running" &&
  (one.body?.domains?.length === 0 || !inForce(state.config, "D16")) &&
  one.body?.xapi !== "master";
