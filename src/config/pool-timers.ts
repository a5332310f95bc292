// The timers of the pool: profile and single values to one set that keeps the inequalities, or the last good set. Pure.

import type { Timers } from "../core/model/config.ts";
import { parametersOf } from "./parameters.ts";
import { defaultOf, fallback, lastGoodOf, type Entries, type PoolRead } from "./pool-values.ts";
import { readerOf } from "./reader.ts";
import {
  checkTimers,
  deriveTimers,
  TIMER_NAMES,
  type ProfileTimers,
  type TimerInput,
  type TimerProfile,
} from "./timers.ts";

function timerInput(entries: Entries): TimerInput {
  const read = readerOf(entries);
  const single: { -readonly [Key in keyof ProfileTimers]?: number } = {};
  for (const key of Object.keys(TIMER_NAMES) as (keyof ProfileTimers)[]) {
    const value = entries.get(TIMER_NAMES[key])?.value;
    if (typeof value === "number") single[key] = value;
  }
  return {
    // The choice type allows nothing else.
    profile: read.text("TIMER_PROFILE") as TimerProfile,
    fastDetect: read.flag("FAST_DETECT"),
    xapiCount: read.number("XAPI_COUNT"),
    xapiDelayMs: read.number("XAPI_DELAY"),
    managementGraceMs: read.number("MGT_LINK_LOSS_TOLERANCE"),
    single,
  };
}

/** A set of timers that contradicts itself is refused as a whole: single values of two sets do not fit together. */
export function settleTimers(read: PoolRead, lastGood: Readonly<Record<string, string>> | null): Timers {
  const timers = deriveTimers(timerInput(read.entries));
  const violations = checkTimers(timers);
  if (violations.length === 0) return timers;
  const { severity, words } = fallback(lastGood);
  for (const one of violations) {
    read.problems.push({
      path: "the timers of the pool",
      line: null,
      severity,
      found: one.message,
      expected: `timers that keep ${one.rule}`,
      action: words,
    });
  }
  for (const one of parametersOf("pool").filter((candidate) => candidate.group === "timer"))
    read.entries.set(one.name, lastGoodOf(one, lastGood));
  const old = deriveTimers(timerInput(read.entries));
  if (checkTimers(old).length === 0) return old;
  // A last good set of an older version of this program that is not good any more.
  for (const one of parametersOf("pool").filter((candidate) => candidate.group === "timer"))
    read.entries.set(one.name, defaultOf(one));
  read.problems.push({
    path: "the last good timers",
    line: null,
    severity: "error",
    found: "a contradiction",
    expected: "a set that this version accepts",
    action: "the defaults are shown and HA stays off; set TIMER_PROFILE",
  });
  return deriveTimers(timerInput(read.entries));
}
