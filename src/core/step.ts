// The pure decision function: one event in, the next state and the actions out. The daemon, the simulator and the
// explorer run this same function. No I/O, no clock, no randomness.

import { absorb } from "./absorb/absorb.ts";
import { progressActivity } from "./decide/activity.ts";
import { watchAlarms } from "./decide/alarms.ts";
import { progressCommands } from "./decide/commands.ts";
import { trackEpisode } from "./decide/episode.ts";
import { decideAutoRelease } from "./decide/auto-release.ts";
import { decideFencing } from "./decide/fencing.ts";
import { decideHandover } from "./decide/handover.ts";
import { commitSolo } from "./decide/solo.ts";
import { recoverIsolated } from "./decide/isolated.ts";
import { decideOwnership } from "./decide/ownership.ts";
import { keepRecords } from "./decide/records.ts";
import { recoverPool } from "./decide/recovery.ts";
import { repair } from "./decide/repair.ts";
import { selfFence } from "./decide/self-fence.ts";
import { settleOwed } from "./decide/requests.ts";
import { decideTakeover } from "./decide/takeover.ts";
import { consultWitness } from "./decide/witness.ts";
import type { Event } from "./model/event.ts";
import type { State } from "./model/state.ts";
import type { Instant } from "./model/time.ts";
import type { Action } from "./plan/action.ts";
import type { Turn } from "./turn.ts";

export interface Step {
  readonly state: State;
  readonly actions: readonly Action[];
}

export function step(state: State, event: Event, now: Instant): Step {
  const turn: Turn = { state, now, actions: [] };
  absorb(turn, event);
  // Safety first: what this host must stop comes before what it may start.
  trackEpisode(turn, event.kind === "tick");
  selfFence(turn, event.kind === "tick");
  consultWitness(turn);
  commitSolo(turn);
  progressActivity(turn);
  settleOwed(turn);
  decideHandover(turn);
  decideFencing(turn);
  decideTakeover(turn);
  decideOwnership(turn);
  decideAutoRelease(turn);
  keepRecords(turn);
  recoverPool(turn);
  recoverIsolated(turn);
  repair(turn);
  progressCommands(turn);
  watchAlarms(turn);
  return { state: turn.state, actions: turn.actions };
}
