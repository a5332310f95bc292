// A toolstack that hangs on this host is restarted, a bounded number of times; one that does not come back is told to the
// decision (D18). It is asked only while the pool cannot be read, so an idle daemon asks nothing. What is asked is the local
// xapi and never the pool: a supporter whose master is gone is healthy here.

import { roleMoves } from "../../core/decide/repair.ts";
import type { State } from "../../core/model/state.ts";
import type { Instant, Millis } from "../../core/model/time.ts";

export type ToolstackAnswer = "answers" | "silent" | "absent";

export interface ToolstackState {
  /** Since when it is silent (it hangs), or absent (nobody listens: it starts, or crashed and is started again). */
  readonly silentSince: Instant | null;
  readonly absentSince: Instant | null;
  readonly restarts: number;
  readonly beyondRepair: boolean;
}

export const freshToolstack: ToolstackState = {
  silentSince: null,
  absentSince: null,
  restarts: 0,
  beyondRepair: false,
};

export interface ToolstackLimits {
  /** XAPI_COUNT, XAPI_DELAY. */
  readonly count: number;
  readonly delayMs: Millis;
}

/** A start takes its time on a busy dom0, and restarting what is just starting would never end. */
const START_MS: Millis = 180_000;

/** What one more answer means. Pure. */
export function judge(
  before: ToolstackState,
  answer: ToolstackAnswer,
  now: Instant,
  { count, delayMs }: ToolstackLimits,
): { readonly next: ToolstackState; readonly restart: boolean } {
  if (answer === "answers") return { next: freshToolstack, restart: false };
  const next: ToolstackState = {
    ...before,
    silentSince: answer === "silent" ? (before.silentSince ?? now) : null,
    absentSince: answer === "absent" ? (before.absentSince ?? now) : null,
  };
  const hangs = next.silentSince !== null && now - next.silentSince >= count * delayMs;
  const gone = next.absentSince !== null && now - next.absentSince >= START_MS;
  if ((!hangs && !gone) || next.beyondRepair) return { next, restart: false };
  if (next.restarts >= count) return { next: { ...next, beyondRepair: true }, restart: false };
  return { next: { ...freshToolstack, restarts: next.restarts + 1 }, restart: true };
}

/** HA off, maintenance, a stop under way: a person's. A move of the master role: ours. */
export function toolstackIsOthers(state: State): boolean {
  const { durable, stopping } = state;
  return durable.ha !== "on" || durable.flags.maintenance || stopping !== null || roleMoves(state);
}

export interface ToolstackWatchOptions {
  readonly now: () => Instant;
  readonly limits: () => ToolstackLimits;
  /** Is the pool read at this moment? Then the toolstack works. */
  readonly readable: () => boolean;
  readonly ask: () => Promise<ToolstackAnswer>;
  /** It is somebody else's business now. */
  readonly handsOff: () => boolean;
  readonly restart: () => Promise<string | null>;
  readonly onBeyondRepair: (beyondRepair: boolean) => void;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export interface ToolstackWatch {
  stop(): void;
}

export function watchToolstack(options: ToolstackWatchOptions): ToolstackWatch {
  const { now, limits, readable, handsOff, log } = options;
  let state = freshToolstack;
  let timer: NodeJS.Timeout;

  async function look(): Promise<void> {
    const answer = readable() ? "answers" : await options.ask();
    const told = state.beyondRepair;
    if (handsOff() && answer !== "answers") {
      state = { ...freshToolstack, beyondRepair: told };
      return;
    }
    const { next, restart } = judge(state, answer, now(), limits());
    state = next;
    if (next.beyondRepair !== told) options.onBeyondRepair(next.beyondRepair);
    if (!restart) return;
    log(
      "xapi.lost",
      `the toolstack of this host does not answer: restart ${next.restarts} of ${limits().count}`,
      "warn",
    );
    const failure = await options.restart();
    if (failure !== null) log("action.failed", `restart the toolstack: ${failure}`, "error");
  }

  function again(): void {
    timer = setTimeout(() => void look().finally(again), limits().delayMs);
  }
  again();
  return { stop: () => clearTimeout(timer) };
}
