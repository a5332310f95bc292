// From a world in which nothing is broken any more, with no further faults: within how many ticks is storage served by
// an owner, every VM executing, and every copy in sync again?

import { allVmsRun, repairAll } from "./moves.ts";
import { SIDES } from "./scale.ts";
import { REPAIR_ALL, type Counterexample, type Search } from "./search.ts";
import { Ints, Rows, WORDS } from "./tables.ts";
import { newWords, type World } from "./world.ts";

/** Boot, resync, claim and the longest back-off of a repair after a few failures, with room. */
export const LIVENESS_TICKS = 40;

export interface Liveness {
  /** Worlds it was tried from, and the slowest of them. */
  readonly tried: number;
  readonly slowest: number;
  readonly counterexample: Counterexample | null;
}

const served = (world: World): boolean =>
  SIDES.some((side) => world.serves(side)) && allVmsRun(world) && world.mirroring();

/** How long it takes from one world on; `slow` is never served, or not within LIVENESS_TICKS. */
type Settled = { readonly kind: "served"; readonly ticks: number } | { readonly kind: "slow"; readonly why: string };

/**
 * What repaired worlds lead to without further faults is one path for each, and the paths of millions of worlds soon run
 * together: every world on them is gone through once, and remembered with the ticks that are left.
 */
class Paths {
  readonly #search: Search;
  readonly #worlds = new Rows(WORDS);
  readonly #ticks = new Ints();
  readonly #words = newWords();

  constructor(search: Search) {
    this.#search = search;
  }

  /** From the world as it is now. */
  settle(): Settled {
    const { world, ticker } = this.#search;
    const path: number[] = [];
    for (;;) {
      // A host that its watchdog or the other host stops on the way is switched on again.
      repairAll(world, ticker);
      if (world.violation !== null) return { kind: "slow", why: world.violation };
      world.pack(this.#words);
      const at = this.#worlds.add(this.#words);
      let left = this.#worlds.known ? this.#ticks.at(at) : UNKNOWN;
      if (!this.#worlds.known) this.#ticks.push(UNKNOWN);
      if (left === UNKNOWN && served(world)) left = 0;
      if (left !== UNKNOWN) {
        this.#ticks.set(at, left);
        for (const before of path.toReversed()) this.#ticks.set(before, ++left);
        return left <= LIVENESS_TICKS ? { kind: "served", ticks: left } : { kind: "slow", why: "it takes too long" };
      }
      if (path.length > LIVENESS_TICKS) return { kind: "slow", why: missing(world) };
      path.push(at);
      ticker.tick(0);
    }
  }
}

const UNKNOWN = -1;

function missing(world: World): string {
  if (SIDES.every((side) => !world.serves(side))) return "no owner serves";
  return allVmsRun(world) ? "the copies do not come together" : "a VM does not run";
}

/** V11 from every `every`-th world of a search. */
export function tryLiveness(search: Search, every: number): Liveness {
  const words = newWords();
  const paths = new Paths(search);
  let tried = 0;
  let slowest = 0;
  for (let row = 0; row < search.states; row += every) {
    search.store.read(row, words);
    search.world.unpack(words);
    const end = paths.settle();
    tried += 1;
    if (end.kind === "served") slowest = Math.max(slowest, end.ticks);
    else {
      const faults = search.layers.find((l) => row < l.to)?.faults ?? 0;
      const settling = Array.from({ length: LIVENESS_TICKS }, () => [REPAIR_ALL, 0]);
      const moves = [...search.path(row), ...settling.flat()];
      return { tried, slowest, counterexample: { violation: `V11 repaired, and then: ${end.why}`, faults, moves } };
    }
  }
  return { tried, slowest, counterexample: null };
}
