// What a start leaves on the heap is given back once, in calm.

import type { Millis } from "../core/model/time.ts";

/** By then what the start needed is done with, HA switched on and the first alerts included. */
const START_OVER_MS: Millis = 120_000;
const AGAIN_MS: Millis = 10_000;

/**
 * Collects and compacts this thread's heap once. The runtime does it by itself only where it measures that there is time for
 * it, which it never does on a loaded host. It pauses this thread for 80 ms on the machine itself and for half a second in a lab
 * node, longer than the window of a vote sample: so not in an outage. The brain's thread is left alone.
 */
export function collectOnce(isCalm: () => boolean, afterMs: Millis = START_OVER_MS, againMs: Millis = AGAIN_MS): void {
  const tryIt = (): void => {
    if (isCalm()) void globalThis.gc?.({ type: "major", execution: "async", flavor: "last-resort" });
    else setTimeout(tryIt, againMs).unref();
  };
  setTimeout(tryIt, afterMs).unref();
}
