// Time as an argument: one monotonic clock for decisions, the wall clock for display only.

import type { Instant, Millis } from "../../core/model/time.ts";

export interface ClockPort {
  now(): Instant;
  wallMs(): number;
  sleep(ms: Millis, signal?: AbortSignal): Promise<void>;
}
