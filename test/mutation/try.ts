// Tries one recipe: the whole decision function holds on it, the mutant breaks the invariant it names.

import { run, type Job } from "../explore/job.ts";
import { SOUND } from "../explore/world.ts";
import { runPlan, type Outcome, type PlanOptions } from "../sim/schedule.ts";
import { nameOf, type ExploreRecipe, type Recipe, type SimRecipe } from "./recipe.ts";

export interface Found {
  /** The first broken invariant, whole text; null: nothing broke. */
  readonly violation: string | null;
  readonly faults: number;
  /** How it is replayed: a seed, or a trace of the explorer. */
  readonly replay: string;
}

export interface Tried {
  readonly mutant: Found;
  /** Of the function with every rule, on the same ground. */
  readonly sound: Found;
}

export function tryRecipe(recipe: Recipe): Tried {
  return recipe.engine === "sim" ? trySim(recipe) : tryExplore(recipe);
}

/** As it must come out? Undefined, or what is wrong, as a sentence. */
export function wrongWith({ breaks }: Recipe, { mutant, sound }: Tried): string | undefined {
  if (sound.violation !== null) return `with every rule in force: ${sound.violation} (${sound.replay})`;
  if (mutant.violation === null) return `nothing breaks without it, expected ${breaks}`;
  return mutant.violation.startsWith(`${breaks} `) ? undefined : `${mutant.violation}, expected ${breaks}`;
}

/** A change of the core may move the window in which a fault must fall: the whole story is tried earlier and later too. */
const SHIFTS_MS = [0, -100, 100, -200, 200, -300, 300];

/** One run of a recipe: the noise of a seed, and all faults so much later. */
export interface Attempt {
  readonly seed: number;
  readonly shiftMs: number;
}

/** Every seed with the faults at their times first. */
export const attempts = ({ seeds }: SimRecipe): readonly Attempt[] =>
  SHIFTS_MS.flatMap((shiftMs) => Array.from({ length: seeds }, (_, seed) => ({ seed, shiftMs })));

export const describeAttempt = ({ seed, shiftMs }: Attempt): string =>
  `seed ${seed}${shiftMs === 0 ? "" : `, ${shiftMs} ms later`}`;

/** One run of a recipe in the simulator. */
export function simulate(recipe: SimRecipe, { seed, shiftMs }: Attempt, removedRules: readonly string[]): Outcome {
  const { policy } = recipe.plan;
  const options: PlanOptions = {
    policies: [policy],
    long: false,
    removedRules,
    violateH1: recipe.violateH1 ?? false,
    ...(recipe.demand === undefined ? {} : { demand: recipe.demand }),
  };
  const faults = recipe.plan.faults.map((fault) => ({ ...fault, at: fault.at + shiftMs }));
  return runPlan({ ...recipe.plan, faults, seed }, options);
}

function trySim(recipe: SimRecipe): Tried {
  const found = (outcome: Outcome, attempt: Attempt): Found => ({
    violation: outcome.outside ? null : (outcome.violations[0] ?? null),
    faults: recipe.plan.faults.length,
    replay: describeAttempt(attempt),
  });
  const nothing: Found = { violation: null, faults: 0, replay: "" };
  for (const attempt of attempts(recipe)) {
    const sound = found(simulate(recipe, attempt, []), attempt);
    if (sound.violation !== null) return { mutant: nothing, sound };
    const mutant = found(simulate(recipe, attempt, recipe.rules), attempt);
    if (mutant.violation !== null) return { mutant, sound };
  }
  return { mutant: nothing, sound: nothing };
}

export function jobOf(recipe: ExploreRecipe, mutated: boolean): Job {
  const { policy, faults, budget, maxStates, rules } = recipe;
  return {
    name: nameOf(recipe),
    policy,
    removedRules: mutated ? rules : [],
    surroundings: { ...SOUND, ...recipe.surroundings, ...(mutated ? recipe.brokenSurroundings : {}) },
    faults,
    ...(recipe.start === undefined ? {} : { start: recipe.start }),
    budget,
    maxStates,
    timers: { ...recipe.timers, ...(mutated ? recipe.brokenTimers : {}) },
    liveEvery: recipe.liveEvery ?? 0,
    auditEvery: 0,
    expect: mutated ? "any violation" : "holds",
  };
}

function tryExplore(recipe: ExploreRecipe): Tried {
  const mutant = run(jobOf(recipe, true));
  // As far as the mutant came, not farther.
  const sound = run({ ...jobOf(recipe, false), maxStates: mutant.states });
  const found = ({ violation, faults, trace }: typeof mutant): Found => ({
    violation,
    faults,
    replay: trace ?? "",
  });
  return { mutant: found(mutant), sound: found(sound) };
}
