// Timers that fall together: whatever an idle daemon looks at again and again, it looks at in one wake-up, because waking
// up costs more than most looks.

import { performance } from "node:perf_hooks";
import type { Millis } from "../core/model/time.ts";

/** Calls `work` at the whole multiples of `periodMs` on this thread's clock, until it is stopped. */
export function inStep(periodMs: Millis, work: () => void): { stop(): void } {
  let timer: NodeJS.Timeout;
  function next(): void {
    // A timer may be a moment early: the multiple that it was meant for must not come twice.
    const at = performance.now() + periodMs / 4;
    timer = setTimeout(turn, Math.ceil(periodMs - (at % periodMs) + periodMs / 4));
  }
  function turn(): void {
    next();
    work();
  }
  next();
  return { stop: () => clearTimeout(timer) };
}
