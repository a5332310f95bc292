// How long the turns of the decision take, for metrics. One clock read per turn; decides nothing.

import type { Instant, Millis } from "../../core/model/time.ts";

export interface TurnCounters {
  readonly count: number;
  readonly totalMs: Millis;
  /** Of the last one to two minutes. */
  readonly longestMs: Millis;
}

export interface TurnTimes {
  took(from: Instant, to: Instant): void;
  counters(): TurnCounters;
}

const WINDOW_MS: Millis = 60_000;

export function createTurnTimes(): TurnTimes {
  let count = 0;
  let totalMs = 0;
  let windowFrom = -Infinity;
  let longest = { now: 0, before: 0 };
  return {
    took(from, to) {
      const ms = to - from;
      count += 1;
      totalMs += ms;
      if (to - windowFrom >= WINDOW_MS) {
        longest = { now: 0, before: longest.now };
        windowFrom = to;
      }
      longest.now = Math.max(longest.now, ms);
    },
    counters: () => ({ count, totalMs, longestMs: Math.max(longest.now, longest.before) }),
  };
}
