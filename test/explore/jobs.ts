// The searches that belong to the suite, and what each must find.

import type { Policy } from "../../src/core/model/config.ts";
import type { Job } from "./job.ts";
import { FAULT_KINDS, type FaultKind } from "./moves.ts";
import { TICK_MS } from "./scale.ts";
import { SOUND, type Surroundings } from "./world.ts";

export const POLICIES: readonly Policy[] = ["vote", "strict", "strict+vote", "witness"];
/** Policies that stand on H1 (protocol.md 1): with it violated they must fail, and the search must find out. */
const NEEDS_H1: ReadonlySet<Policy> = new Set(["vote", "strict+vote"]);

export interface Size {
  readonly budget: number;
  readonly maxStates: number;
  readonly liveEvery: number;
  readonly auditEvery: number;
}

export const SHORT: Size = { budget: 2, maxStates: 100_000, liveEvery: 1, auditEvery: 20 };
export const LONG: Size = { budget: 12, maxStates: 4_000_000, liveEvery: 1, auditEvery: 100 };

/** What people order besides a switch has a search of its own, with the faults that meet it. */
const ORDERS: readonly FaultKind[] = ["ha", "manual", "leave", "pause"];
const BREAKS = FAULT_KINDS.filter((kind) => !ORDERS.includes(kind));
const MEETS_ORDERS: readonly FaultKind[] = ["operator", "power", "daemon", "link", "replication"];

export const soundJob = (policy: Policy, size: Size): Job => ({
  name: policy,
  policy,
  removedRules: [],
  surroundings: SOUND,
  faults: BREAKS,
  expect: "holds",
  ...size,
});

/**
 * A policy that must fail is searched among the filter, the replication link and the fence devices alone: there its
 * counterexample is.
 */
export function withoutH1(policy: Policy, size: Size): Job {
  const job = { ...soundJob(policy, size), surroundings: { ...SOUND, h1: false }, liveEvery: 0 };
  const name = `${policy}, H1 violated`;
  if (!NEEDS_H1.has(policy)) return { ...job, name };
  return {
    ...job,
    name,
    faults: ["filter", "replication", "bmc"],
    budget: 3,
    maxStates: 400_000,
    expect: "any violation",
  };
}

/** Searches about the past and the clocks tell more worlds apart: a part of the size is enough for as many faults. */
const SMALLER = 3;
/** ρ of F3: the clocks of two hosts differ by a thousandth. */
const DRIFT_MS = TICK_MS / 1_000;
/** Timers of a tick or half of it must not fall between two ticks of clocks that differ. */
export const DRIFT_TIMERS = { hb: 600, echo: 1_400, sample: 900 };

function more(size: Size): readonly Job[] {
  const base = soundJob("vote", { ...size, maxStates: Math.round(size.maxStates / SMALLER) });
  const other = (name: string, surroundings: Partial<Surroundings>): Job => ({
    ...base,
    name: `vote, ${name}`,
    surroundings: { ...SOUND, ...surroundings },
  });
  return [
    { ...base, name: "vote, orders", faults: [...ORDERS, ...MEETS_ORDERS] },
    other("V10 and V12", { history: true }),
    { ...other("V10 and V12", { history: true }), name: "strict, V10 and V12", policy: "strict" },
    { ...other("b's clock is fast", { clocks: [TICK_MS, TICK_MS + DRIFT_MS] }), timers: DRIFT_TIMERS },
    { ...other("a's clock is fast", { clocks: [TICK_MS + DRIFT_MS, TICK_MS] }), timers: DRIFT_TIMERS },
  ];
}

export const suite = (size: Size): readonly Job[] => [
  ...POLICIES.map((policy) => soundJob(policy, size)),
  ...POLICIES.map((policy) => withoutH1(policy, size)),
  ...more(size),
];
