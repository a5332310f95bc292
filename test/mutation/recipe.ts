// What a mutant is, and where its counterexample is looked for. A recipe holds for the whole decision function and goes
// red without its rules: both are tried.

import type { FaultKind } from "../explore/moves.ts";
import type { Start } from "../explore/search.ts";
import type { Surroundings } from "../explore/world.ts";
import type { Policy } from "../../src/core/model/config.ts";
import type { Plan } from "../sim/schedule.ts";
import type { World } from "../sim/world.ts";

/** The named invariant of protocol.md 10 that breaks. */
export type Invariant = `V${number}`;

interface Mutant {
  /** What is switched off. */
  readonly rules: readonly string[];
  /** Where it is no rule of the core that is taken away. */
  readonly name?: string;
  readonly breaks: Invariant;
  /** What happens, in one sentence. */
  readonly story: string;
}

/** Faults at their times in the simulator; the noise of a few seeds. */
export interface SimRecipe extends Mutant {
  readonly engine: "sim";
  readonly plan: Omit<Plan, "seed">;
  /** Seeds 0 to this are tried until the mutant breaks, then again with all faults a little earlier or later. */
  readonly seeds: number;
  readonly violateH1?: boolean;
  /** What must be so when the faults are healed; the broken invariant when it is not. */
  readonly demand?: (world: World) => string | undefined;
}

/** Every order of a few kinds of faults in the explorer. */
export interface ExploreRecipe extends Mutant {
  readonly engine: "explore";
  readonly policy: Policy;
  /** From where: names of the explorer's moves, or ticks that pass. */
  readonly start?: Start;
  readonly faults: readonly FaultKind[];
  readonly budget: number;
  readonly maxStates: number;
  readonly surroundings?: Partial<Surroundings>;
  readonly brokenSurroundings?: Partial<Surroundings>;
  /** Other timers than scale.ts has, in milliseconds. What is `broken` is the mutation. */
  readonly timers?: Readonly<Record<string, number>>;
  readonly brokenTimers?: Readonly<Record<string, number>>;
  /** Also: repaired, does every n-th state serve again; and does it serve after any one fault (V11)? */
  readonly liveEvery?: number;
}

export type Recipe = SimRecipe | ExploreRecipe;

export const nameOf = ({ rules, name }: Recipe): string => name ?? rules.join(" and ");
