// The searches that belong to the suite, and what each must find.

import type { Policy } from "../../src/core/model/config.ts";
import type { Job } from "./job.ts";
import { FAULT_KINDS } from "./moves.ts";
import { SOUND } from "./world.ts";

export const POLICIES: readonly Policy[] = ["vote", "strict", "strict+vote", "witness"];
/** Policies that stand on H1 (protocol.md 1): with it violated they must fail, and the search must find out. */
const NEEDS_H1: ReadonlySet<Policy> = new Set(["vote", "strict+vote"]);

export interface Size {
  readonly budget: number;
  readonly maxStates: number;
  readonly liveEvery: number;
  readonly auditEvery: number;
}

export const SHORT: Size = { budget: 2, maxStates: 100_000, liveEvery: 7, auditEvery: 20 };
export const LONG: Size = { budget: 12, maxStates: 4_000_000, liveEvery: 50, auditEvery: 100 };

export const soundJob = (policy: Policy, size: Size): Job => ({
  name: policy,
  policy,
  removedRules: [],
  surroundings: SOUND,
  faults: FAULT_KINDS,
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

export const suite = (size: Size): readonly Job[] => [
  ...POLICIES.map((policy) => soundJob(policy, size)),
  ...POLICIES.map((policy) => withoutH1(policy, size)),
];
