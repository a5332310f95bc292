// The pool's pure decision function: one event in, the next state and the actions out. It runs beside the pair's `step` on
// storage hosts and alone on the others. No I/O, no clock, no randomness.

import type { Instant } from "../model/time.ts";
import { absorb } from "./absorb.ts";
import { sendBeats } from "./beats.ts";
import { progressDeparture, progressMaintenance } from "./commands.ts";
import { stand, trackLeadership, vote } from "./election.ts";
import { fenceLost } from "./fencing.ts";
import { inContact } from "./facts.ts";
import { saysTheSame } from "./hear.ts";
import type { PoolAction, PoolEvent, PoolState } from "./model.ts";
import { keepRecords } from "./records.ts";
import { recoverPool } from "./recovery.ts";
import { keepLease, selfFence } from "./self-fence.ts";
import type { PoolTurn } from "./turn.ts";
import { watchHosts } from "./watch.ts";

export interface PoolStep {
  readonly state: PoolState;
  readonly actions: readonly PoolAction[];
}

export function poolStep(state: PoolState, event: PoolEvent, now: Instant): PoolStep {
  const turn: PoolTurn = { state, now, actions: [] };
  const waits = isRoutine(state, event, now);
  absorb(turn, event);
  // Safety first: what this host must stop comes before what it may start.
  keepLease(turn);
  selfFence(turn, event.kind === "tick");
  if (!waits) decide(turn);
  if (event.kind === "beat" && event.heard.body.asks) {
    turn.actions.push({ kind: "beat", to: event.heard.body.hostId, asks: false });
  }
  if (!waits) sendBeats(turn);
  return { state: turn.state, actions: turn.actions };
}

function decide(turn: PoolTurn): void {
  vote(turn);
  trackLeadership(turn);
  stand(turn);
  watchHosts(turn);
  fenceLost(turn);
  recoverPool(turn);
  progressDeparture(turn);
  progressMaintenance(turn);
  keepRecords(turn);
}

/**
 * A report to the leader that says nothing new: what follows from its date alone is decided with the next tick. Otherwise
 * every report of every host would set off a look at every host.
 */
function isRoutine(state: PoolState, event: PoolEvent, now: Instant): boolean {
  if (event.kind !== "beat" || state.leadsSince === null || state.urgent) return false;
  if (state.standsSince !== null || state.departure !== null) return false;
  const { body } = event.heard;
  const known = state.neighbours[body.hostId];
  if (known === undefined || known.body === null || known.barSince !== null) return false;
  return inContact(state, known, now) && saysTheSame(known.body, body);
}
