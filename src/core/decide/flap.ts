// D15: the storage does not run to and fro by itself. An operator's act or a completed resync starts the count anew (A23).

import type { State } from "../model/state.ts";
import type { Instant, Millis } from "../model/time.ts";
import { demands, inForce } from "../rules.ts";
import { alert, change, persist, type Turn } from "../turn.ts";
import { PROVE_OFF } from "./fencing.ts";

const WINDOW_MS = 3_600_000;
/** So many automatic moves inside the window, and the next one waits for a person. */
const MOST_MOVES = 2;

/** How the reason of that block begins. */
export const FLAPPING = "the storage moved";

/** How long D15 still keeps the storage where it is; 0 = not at all, null = until an operator decides. */
export function flapLeftMs(state: State, now: Instant): Millis | null {
  const last = state.moves.at(-1);
  if (last === undefined) return 0;
  return tooMany(state, now) ? null : Math.max(0, last + state.config.timers.flap - now);
}

/** Why the storage does not move by itself now; undefined = D15 has nothing against it. */
export function flapRefusal(state: State, now: Instant): string | undefined {
  const last = state.moves.at(-1);
  if (last === undefined) return undefined;
  const { flap } = state.config.timers;
  const left = last + flap - now;
  if (!demands(state.config, "D15", !tooMany(state, now)))
    return `the storage moved ${MOST_MOVES} times by itself within an hour: the next time an operator decides (D15)`;
  if (!demands(state.config, "D15", left <= 0))
    return `the storage moved by itself ${Math.round((now - last) / 1000)} s ago; between two times are at least ${flap / 1000} s (D15)`;
  return undefined;
}

export const tooMany = (state: State, now: Instant): boolean =>
  state.moves.filter((at) => now - at < WINDOW_MS).length >= MOST_MOVES;

/** The third time within an hour is a person's decision: BLOCKED, told once. */
export function blockFlapping(turn: Turn): void {
  const { state, now } = turn;
  if (!state.dead || state.blocked !== null || !tooMany(state, now) || !inForce(state.config, "D15")) return;
  const text = `${FLAPPING} ${MOST_MOVES} times by itself within an hour (D15)`;
  change(turn, { blocked: text });
  alert(turn, "flapping", `${text}: an operator decides about the next time; ${PROVE_OFF}`);
}

/** A move that this host began is counted from its end, so that no host waits shorter than the other one. */
export function countAnew(turn: Turn): void {
  const { moves } = turn.state;
  if (moves.length > 0) change(turn, { moves: [...moves.slice(0, -1), turn.now] });
}

/** A23: somebody looked, or the copies agreed again. */
export function forgetMoves(turn: Turn): void {
  if (turn.state.moves.length > 0 && inForce(turn.state.config, "A23")) change(turn, { moves: [] });
}

/** The durable count follows; it matters only after a restart of the daemon. */
export function keepMoves(turn: Turn): boolean {
  const { moves, durable } = turn.state;
  if (durable.takeovers <= moves.length) return false;
  return persist(turn, { takeovers: moves.length }, "automatic moves are forgotten (A23)") !== undefined;
}
