// Runs searches on worker threads, one per processor: each has tables of its own and shares nothing.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Job, Outcome } from "./job.ts";
import type { Progress } from "./search.ts";

export type FromWorker =
  | {
      readonly kind: "layer";
      readonly faults: number;
      readonly fresh: number;
      readonly states: number;
      readonly whole: boolean;
    }
  | { readonly kind: "progress"; readonly progress: Progress }
  | { readonly kind: "outcome"; readonly outcome: Outcome };

/** Told of a search that is under way. */
export interface OnWay {
  readonly layer?: (job: Job, message: FromWorker & { kind: "layer" }) => void;
  readonly progress?: (job: Job, progress: Progress) => void;
}

/** Heap of one search beyond its typed tables: the local states and the results of `step`. */
const HEAP_MB = 6_000;
/** Most of what a step makes is dropped at once: with more room for it less is copied. */
const YOUNG_MB = 192;

function runOne(job: Job, onWay: OnWay): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      workerData: job,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    worker.on("message", (message: FromWorker) => {
      if (message.kind === "layer") onWay.layer?.(job, message);
      else if (message.kind === "progress") onWay.progress?.(job, message.progress);
      else resolve(message.outcome);
    });
    worker.on("error", reject);
    worker.on("exit", (code) => {
      if (code !== 0) reject(new Error(`the search "${job.name}" ended with code ${code}`));
    });
  });
}

/** Runs all jobs, `threads` at a time, and hands each outcome over as it comes; resolves when all have ended. */
export async function runAll(
  jobs: readonly Job[],
  onOutcome: (outcome: Outcome) => void,
  onWay: OnWay = {},
  threads = availableParallelism(),
): Promise<void> {
  const waiting = [...jobs];
  const lane = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) onOutcome(await runOne(job, onWay));
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, lane));
}
