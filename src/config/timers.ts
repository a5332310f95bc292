// Timers from a profile and single values, and the inequalities they must keep (protocol.md 4, 15). Pure. A set that
// breaks one is refused with the number of the inequality; nothing is ever adjusted silently.

import type { Timers } from "../core/model/config.ts";
import type { Millis } from "../core/model/time.ts";

export type TimerProfile = "conservative" | "balanced" | "fast";
/** The timers of the profile; managementGrace is a parameter of its own (MGT_LINK_LOSS_TOLERANCE). */
export type ProfileTimers = Omit<Timers, "managementGrace">;

/** Parameter name of each timer. */
export const TIMER_NAMES: Readonly<Record<keyof ProfileTimers, string>> = {
  hb: "T_HB",
  echo: "T_ECHO",
  suspect: "T_SUSPECT",
  sample: "T_SAMPLE",
  dead: "T_DEAD",
  drbd: "T_DRBD",
  lease: "LEASE",
  soft: "T_SOFT",
  watchdog: "WATCHDOG",
  reset: "T_RESET",
  margin: "T_MARGIN",
  take: "T_TAKE",
  quiet: "T_QUIET",
  fenceDelay: "T_FDELAY",
  fence: "T_FENCE",
  lag: "T_LAG",
  leave: "T_LEAVE",
  flap: "T_FLAP",
  release: "T_RELEASE",
};

const BALANCED: ProfileTimers = {
  hb: 250,
  echo: 1000,
  suspect: 1000,
  sample: 500,
  dead: 3000,
  drbd: 1500,
  lease: 5000,
  soft: 2000,
  watchdog: 5000,
  reset: 1000,
  margin: 1500,
  take: 13_000,
  quiet: 1000,
  // protocol.md 4 has 1.5 s, but amendment A14 (I-h) wants the agent's measured time + M_ (1.5 s): with 1.5 s no
  // agent could ever qualify. 2 s leaves an agent 0.5 s from decision to the off command.
  fenceDelay: 2000,
  fence: 10_000,
  lag: 500,
  leave: 120_000,
  flap: 300_000,
  release: 3000,
};

export const PROFILES: Readonly<Record<TimerProfile, ProfileTimers>> = {
  conservative: { ...BALANCED, dead: 5000, lease: 8000, watchdog: 10_000, take: 22_000 },
  balanced: BALANCED,
  fast: { ...BALANCED, dead: 2000, lease: 3500, watchdog: 3000, take: 9500 },
};

/** F3: monotonic clock rates of two hosts differ by at most 0.1 %. */
const CLOCK_SKEW = 0.001;
/** Budget of an activation (protocol.md 7) and of the initiators' reconnect (I-e). */
const ACTIVATE_MS: Millis = 1000;
const RECONNECT_MS: Millis = 3000;
/** A21; tapdisk gives up at 120 s. */
const STALL_BOUND_MS: Millis = 60_000;

/** Timings of the DRBD configuration; the defaults are those that protocol.md 4 asks for. */
export interface DrbdTimings {
  readonly timeoutMs: Millis;
  readonly pingIntMs: Millis;
  readonly pingTimeoutMs: Millis;
  readonly connectIntMs: Millis;
}

export const EXPECTED_DRBD_TIMINGS: DrbdTimings = {
  timeoutMs: 900,
  pingIntMs: 1000,
  pingTimeoutMs: 500,
  connectIntMs: 1000,
};

export interface TimerInput {
  readonly profile: TimerProfile;
  readonly fastDetect: boolean;
  readonly xapiCount: number;
  readonly xapiDelayMs: Millis;
  readonly managementGraceMs: Millis;
  /** Values given one by one; they win over profile and FAST_DETECT. */
  readonly single: Partial<ProfileTimers>;
}

/** How often the watchdog is fed (A21). */
export function feedPeriodMs(timers: Timers): Millis {
  return Math.min(1000, timers.watchdog / 5);
}

/** Least T_take by I-c and I-g. */
function leastTake(timers: ProfileTimers, k: 1 | 2): { readonly c: Millis; readonly g: Millis } {
  return {
    c: (timers.lease + k * timers.watchdog + timers.reset) * (1 + CLOCK_SKEW) + timers.margin,
    g: timers.dead + timers.sample + k * timers.watchdog + timers.reset + timers.margin,
  };
}

const HALF_SECOND = 500;
const upToHalfSecond = (ms: Millis): Millis => Math.ceil(ms / HALF_SECOND) * HALF_SECOND;

/** FAST_DETECT=0: the seed's budget decides when a host is dead; lease and takeover follow from it (protocol.md 13). */
function withSlowDetect(timers: ProfileTimers, budgetMs: Millis): ProfileTimers {
  const dead = Math.max(3000, budgetMs);
  const slower = { ...timers, dead, lease: Math.max(timers.lease, upToHalfSecond(dead + timers.drbd + HALF_SECOND)) };
  const least = leastTake(slower, 1);
  return { ...slower, take: Math.max(timers.take, upToHalfSecond(Math.max(least.c, least.g))) };
}

export function deriveTimers(input: TimerInput): Timers {
  const profile = PROFILES[input.profile];
  const base = input.fastDetect ? profile : withSlowDetect(profile, input.xapiCount * input.xapiDelayMs);
  return { ...base, ...input.single, managementGrace: input.managementGraceMs };
}

export type Inequality = "I-a" | "I-b" | "I-c" | "I-d" | "I-e" | "I-g" | "I-h" | "order";

export interface Violation {
  readonly rule: Inequality;
  readonly message: string;
}

export interface TimerFacts {
  /** 1: the watchdog is held by the separate holder process; 2: by the daemon itself (I-c). */
  readonly k: 1 | 2;
  readonly drbd: DrbdTimings;
  /** Worst measured time from decision to the off command (agents' self-test); null: no device or not measured. */
  readonly measuredOffMs: Millis | null;
}

export const DEFAULT_FACTS: TimerFacts = { k: 1, drbd: EXPECTED_DRBD_TIMINGS, measuredOffMs: null };

const s = (ms: Millis): string => `${Math.round(ms) / 1000} s`;

/** Every inequality that does not hold, in the order of the protocol. I-f compares two hosts: see `agreement`. */
export function checkTimers(timers: Timers, facts: TimerFacts = DEFAULT_FACTS): readonly Violation[] {
  const { k, drbd, measuredOffMs } = facts;
  const violations: Violation[] = [];
  const demand = (rule: Inequality, holds: boolean, message: string): void => {
    if (!holds) violations.push({ rule, message: `${message} (${rule})` });
  };

  const detect = Math.max(4 * timers.hb, 2 * timers.sample + 500, drbd.timeoutMs + drbd.pingTimeoutMs);
  demand(
    "I-a",
    timers.dead >= detect,
    `T_DEAD must be at least ${s(detect)} (4 T_HB, 2 T_SAMPLE + 0.5 s, DRBD timeout + ping-timeout): found ${s(timers.dead)}`,
  );

  const commit = timers.dead + timers.drbd;
  demand(
    "I-b",
    timers.lease >= commit,
    `LEASE must be at least T_DEAD + T_DRBD = ${s(commit)}: found ${s(timers.lease)}`,
  );

  const least = leastTake(timers, k);
  demand(
    "I-c",
    timers.take >= least.c,
    `T_TAKE must be at least (LEASE + ${k} WATCHDOG + T_RESET) * 1.001 + T_MARGIN = ${s(least.c)}: found ${s(timers.take)}`,
  );

  demand(
    "I-d",
    timers.soft <= timers.watchdog,
    `T_SOFT must not exceed WATCHDOG = ${s(timers.watchdog)}: found ${s(timers.soft)}`,
  );
  const feed = feedPeriodMs(timers);
  demand(
    "I-d",
    feed <= timers.watchdog / 4,
    `the watchdog must be fed within WATCHDOG / 4 = ${s(timers.watchdog / 4)}: found ${s(feed)}`,
  );
  demand(
    "I-d",
    drbd.timeoutMs < drbd.pingIntMs,
    `DRBD's timeout must be below ping-int = ${s(drbd.pingIntMs)}: found ${s(drbd.timeoutMs)}`,
  );
  demand(
    "I-d",
    drbd.timeoutMs < drbd.connectIntMs,
    `DRBD's timeout must be below connect-int = ${s(drbd.connectIntMs)}: found ${s(drbd.timeoutMs)}`,
  );
  const dead = drbd.pingIntMs + drbd.pingTimeoutMs;
  demand(
    "I-d",
    timers.drbd >= dead,
    `T_DRBD must be at least DRBD's ping-int + ping-timeout = ${s(dead)}: found ${s(timers.drbd)}`,
  );

  const stall = timers.take + ACTIVATE_MS + RECONNECT_MS;
  demand(
    "I-e",
    stall <= STALL_BOUND_MS,
    `T_TAKE + activation + reconnect must stay within ${s(STALL_BOUND_MS)} (A21): found ${s(stall)}`,
  );

  demand(
    "I-g",
    timers.take >= least.g,
    `T_TAKE must be at least T_DEAD + T_SAMPLE + ${k} WATCHDOG + T_RESET + T_MARGIN = ${s(least.g)}: found ${s(timers.take)}`,
  );

  if (measuredOffMs !== null) {
    const delay = measuredOffMs + timers.margin;
    demand(
      "I-h",
      timers.fenceDelay >= delay,
      `T_FDELAY must be at least the fence agent's measured ${s(measuredOffMs)} + T_MARGIN = ${s(delay)}: found ${s(timers.fenceDelay)}`,
    );
  }

  // Not in the protocol, but without these the words "contact" and "suspect" lose their meaning.
  demand(
    "order",
    timers.echo >= 2 * timers.hb,
    `T_ECHO must be at least 2 T_HB = ${s(2 * timers.hb)}: found ${s(timers.echo)}`,
  );
  demand(
    "order",
    timers.suspect <= timers.dead,
    `T_SUSPECT must not exceed T_DEAD = ${s(timers.dead)}: found ${s(timers.suspect)}`,
  );
  demand(
    "order",
    timers.quiet <= timers.take,
    `T_QUIET must not exceed T_TAKE = ${s(timers.take)}: found ${s(timers.quiet)}`,
  );
  return violations;
}

/** I-f: automatic takeover is disarmed while the hosts' configurations differ. Null when they agree. */
export function agreement(ownHash: string, peerHash: string): string | null {
  if (ownHash === peerHash) return null;
  return `timers, policy, heuristics, key or storage differ between the hosts: found ${peerHash.slice(0, 12)} at the peer, expected ${ownHash.slice(0, 12)} (I-f)`;
}
