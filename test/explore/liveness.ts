// From a world in which nothing is broken any more, with no further faults: within how many ticks is storage served by
// an owner, every VM executing, and every copy in sync again?

import { allVmsRun, repairAll } from "./moves.ts";
import { SIDES } from "./scale.ts";
import type { Ticker } from "./tick.ts";
import type { World } from "./world.ts";

/** Boot, resync, claim and the longest back-off of a repair after a few failures, with room. */
export const LIVENESS_TICKS = 40;

export type Settled =
  { readonly kind: "served"; readonly ticks: number } | { readonly kind: "stuck"; readonly why: string };

const served = (world: World): boolean =>
  SIDES.some((side) => world.serves(side)) && allVmsRun(world) && world.mirroring();

/** Repairs everything in `world` and lets time pass. An invariant that breaks on the way is left in `world.violation`. */
export function settle(world: World, ticker: Ticker): Settled {
  for (let ticks = 0; ticks <= LIVENESS_TICKS; ticks++) {
    if (world.violation !== null) return { kind: "stuck", why: world.violation };
    if (served(world)) return { kind: "served", ticks };
    // A host that its watchdog or the other host stops now is switched on again.
    repairAll(world, ticker);
    ticker.tick(0);
  }
  if (SIDES.every((side) => !world.serves(side))) return { kind: "stuck", why: "no owner serves" };
  return { kind: "stuck", why: allVmsRun(world) ? "the copies do not come together" : "a VM does not run" };
}
