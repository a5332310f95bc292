// The real clock. Decisions use `now` (monotonic); `wallMs` is for display and must never be compared across hosts.

import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { Millis } from "../../core/model/time.ts";
import type { ClockPort } from "./port.ts";

/**
 * `performance.now` is CLOCK_MONOTONIC since process start: it stands still while the host is suspended and never
 * jumps with NTP. `sleep` returns early, without an error, when its signal aborts: the caller looks at the signal.
 */
export function systemClock(): ClockPort {
  return {
    now: () => performance.now(),
    wallMs: () => Date.now(),
    async sleep(ms: Millis, signal?: AbortSignal) {
      try {
        await delay(ms, undefined, signal === undefined ? undefined : { signal });
      } catch (thrown) {
        if (signal?.aborted !== true) throw thrown;
      }
    },
  };
}
