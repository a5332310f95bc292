// One thread of a simulation: runs every n-th seed of a range and reports sums and the first failures.

import { parentPort, workerData } from "node:worker_threads";
import { beginCoverage, type Branch } from "./coverage.ts";
import { play, type PlayOptions } from "./play.ts";

export interface Job {
  readonly from: number;
  readonly seeds: number;
  readonly worker: number;
  readonly workers: number;
  /** The branches of the rules that are taken are told. */
  readonly coverage: boolean;
  readonly options: PlayOptions;
}

export interface Report {
  readonly counted: number;
  readonly tooSmall: number;
  readonly outside: number;
  readonly steps: number;
  readonly virtualMs: number;
  readonly slowestMs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly failures: readonly { readonly seed: number; readonly violation: string }[];
  readonly branches: readonly Branch[];
}

/** A few of the first kind, then the report. */
export type Message =
  { readonly kind: "played"; readonly schedules: number } | { readonly kind: "report"; readonly report: Report };

const TOLD_EVERY = 100;
const LEAST_FAULTS = 2;
const LEAST_VIRTUAL_MS = 60_000;
const KEPT_FAILURES = 20;

export function runJob(job: Job, onPlayed: (schedules: number) => void = () => undefined): Report {
  const faults: Record<string, number> = {};
  const failures: { seed: number; violation: string }[] = [];
  let counted = 0;
  let tooSmall = 0;
  let outside = 0;
  let steps = 0;
  let virtualMs = 0;
  let slowestMs = 0;
  const coverage = job.coverage ? beginCoverage() : null;
  let played = 0;
  for (let i = job.worker; i < job.seeds; i += job.workers) {
    if (++played % TOLD_EVERY === 0) onPlayed(TOLD_EVERY);
    const outcome = play(job.from + i, job.options);
    steps += outcome.steps;
    virtualMs += outcome.virtualMs;
    slowestMs = Math.max(slowestMs, outcome.convergedMs ?? 0);
    for (const { kind } of outcome.faults) faults[kind] = (faults[kind] ?? 0) + 1;
    const violation = outcome.violations[0];
    if (outcome.outside) outside += 1;
    else if (violation !== undefined) failures.push({ seed: job.from + i, violation });
    else if (outcome.injected < LEAST_FAULTS || outcome.virtualMs < LEAST_VIRTUAL_MS) tooSmall += 1;
    else counted += 1;
    if (failures.length >= KEPT_FAILURES) break;
  }
  const branches = coverage?.end() ?? [];
  return { counted, tooSmall, outside, steps, virtualMs, slowestMs, faults, failures, branches };
}

if (parentPort !== null) {
  const port = parentPort;
  const tell = (message: Message): void => port.postMessage(message);
  const report = runJob(workerData as Job, (schedules) => tell({ kind: "played", schedules }));
  tell({ kind: "report", report });
}
