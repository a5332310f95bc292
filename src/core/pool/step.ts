// The pool's pure decision function: one event in, the next state and the actions out. It runs beside the pair's `step` on
// storage hosts and alone on the others. No I/O, no clock, no randomness.

import type { Instant } from "../model/time.ts";
import { absorb } from "./absorb.ts";
import { sendBeats } from "./beats.ts";
import { progressDeparture } from "./commands.ts";
import { stand, trackLeadership, vote } from "./election.ts";
import { fenceLost } from "./fencing.ts";
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
  absorb(turn, event);
  // Safety first: what this host must stop comes before what it may start.
  keepLease(turn);
  selfFence(turn, event.kind === "tick");
  vote(turn);
  trackLeadership(turn);
  stand(turn);
  watchHosts(turn);
  fenceLost(turn);
  recoverPool(turn);
  progressDeparture(turn);
  keepRecords(turn);
  if (event.kind === "beat" && event.heard.body.asks) {
    turn.actions.push({ kind: "beat", to: event.heard.body.hostId, asks: false });
  }
  sendBeats(turn);
  return { state: turn.state, actions: turn.actions };
}
