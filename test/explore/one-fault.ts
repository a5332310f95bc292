// V11 with one fault: whatever breaks once in a healthy pool, storage is served again after a while, without a repair.

import { FAULTS } from "./moves.ts";
import { FAULT_BASE, type Search } from "./search.ts";
import { SIDES } from "./scale.ts";
import { newWords } from "./world.ts";
import type { Counterexample } from "./search.ts";

/** Takeover, a fence that fails at first, a watchdog that must fire before: with room. */
const BACK_TICKS = 30;

export function tryOneFault(search: Search): Counterexample | null {
  const { world, ticker, options } = search;
  const words = newWords();
  const healthy = search.layers[0]?.to ?? 0;
  for (let row = 0; row < healthy; row++)
    for (const [index, fault] of FAULTS.entries()) {
      if (fault.kind === "repair" || fault.kind === "operator" || !options.faults.includes(fault.kind)) continue;
      search.store.read(row, words);
      world.unpack(words);
      if (!SIDES.some((side) => world.serves(side)) || !fault.possible(world)) continue;
      fault.make(world, ticker);
      for (let tick = 0; tick < BACK_TICKS && world.violation === null; tick++) ticker.tick(0);
      const violation =
        world.violation ??
        (SIDES.some((side) => world.serves(side))
          ? null
          : `V11 one fault, and ${BACK_TICKS} ticks later no host serves`);
      if (violation === null) continue;
      const moves = [...search.path(row), FAULT_BASE + index, ...Array.from({ length: BACK_TICKS }, () => 0)];
      return { violation, faults: 1, moves };
    }
  return null;
}
