// One search as a piece of work for a thread of its own: what is asked, what is expected, what came out.

import type { Policy } from "../../src/core/model/config.ts";
import { audit } from "./audit.ts";
import { tryLiveness } from "./liveness.ts";
import type { FaultKind } from "./moves.ts";
import { tryOneFault } from "./one-fault.ts";
import { Search, type Layer, type Progress, type Start } from "./search.ts";
import { timeline, encodeTrace } from "./trace.ts";
import type { Surroundings } from "./world.ts";

export interface Job {
  readonly name: string;
  readonly policy: Policy;
  readonly removedRules: readonly string[];
  readonly surroundings: Surroundings;
  readonly budget: number;
  readonly maxStates: number;
  readonly faults: readonly FaultKind[];
  readonly start?: Start;
  /** Timers changed on purpose, in milliseconds. */
  readonly timers?: Readonly<Record<string, number>>;
  /** Of how many worlds one is tried for liveness, of how many computed steps one is audited; 0 = none. */
  readonly liveEvery: number;
  readonly auditEvery: number;
  /** What must come out: no violation, or one whose text begins so. */
  readonly expect: "holds" | `V${number}` | "any violation";
}

export interface Outcome {
  readonly job: Job;
  readonly layers: readonly Layer[];
  readonly states: number;
  readonly transitions: number;
  readonly seconds: number;
  /** Most moves on the way to a state. */
  readonly depth: number;
  /** Of these for the search itself. */
  readonly searchSeconds: number;
  readonly locals: readonly number[];
  /** Real calls of `step`, events in all, audited calls, worlds tried for liveness and the slowest of them in ticks. */
  readonly steps: number;
  readonly events: number;
  readonly audited: number;
  readonly lived: number;
  readonly slowestTicks: number;
  readonly violation: string | null;
  readonly faults: number;
  readonly moves: number;
  readonly trace: string | null;
  readonly timeline: readonly string[];
}

/** Told of each layer, and of how far the search is every so many worlds. */
export interface Watch {
  readonly onLayer?: (layer: Layer) => void;
  readonly onProgress?: (progress: Progress) => void;
}

export function run(job: Job, watch: Watch = {}): Outcome {
  const begun = performance.now();
  let audited = 0;
  let computed = 0;
  const search = new Search({
    ...job,
    onComputed:
      job.auditEvery === 0
        ? null
        : (local, happening, config) => {
            computed += 1;
            if (computed % job.auditEvery !== 0) return;
            audited += 1;
            audit(local, happening, config);
          },
    ...watch,
  });
  search.run();
  const searchSeconds = (performance.now() - begun) / 1000;
  // One fault means: from a healthy pool on.
  const healthy = search.counterexample === null && job.liveEvery > 0 && job.start === undefined;
  const single = healthy ? tryOneFault(search) : null;
  const live =
    search.counterexample === null && single === null && job.liveEvery > 0 ? tryLiveness(search, job.liveEvery) : null;
  const found = search.counterexample ?? single ?? live?.counterexample ?? null;
  return {
    job,
    layers: search.layers,
    states: search.states,
    transitions: search.transitions,
    seconds: (performance.now() - begun) / 1000,
    searchSeconds,
    depth: search.depth,
    locals: search.world.locals.map((l) => l.count),
    steps: search.world.locals.reduce((sum, l) => sum + l.steps, 0),
    events: search.world.locals.reduce((sum, l) => sum + l.recalled + l.computed, 0),
    audited,
    lived: live?.tried ?? 0,
    slowestTicks: live?.slowest ?? 0,
    violation: found?.violation ?? null,
    faults: found?.faults ?? 0,
    moves: found?.moves.length ?? 0,
    trace: found === null ? null : encodeTrace(found.moves),
    timeline: found === null ? [] : timeline(job, job.surroundings, found.moves),
  };
}

/** Did it come out as expected? */
export function asExpected({ job, violation }: Outcome): boolean {
  if (job.expect === "holds") return violation === null;
  return violation !== null && (job.expect === "any violation" || violation.startsWith(`${job.expect} `));
}
