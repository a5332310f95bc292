// What the daemon counts since its start: for metrics, not for decisions. Plain JSON.

import type { Millis } from "../../core/model/time.ts";
import type { LinkCounters } from "../peer/port.ts";

/** The last time that nobody served the storage, as this host saw it. */
export interface ServiceGap {
  /** Since the start of the daemon. */
  readonly count: number;
  readonly lastMs: Millis | null;
  readonly endedWallMs: Millis | null;
}

export interface Counters {
  readonly uptimeMs: Millis;
  readonly leaseLeftMs: Millis;
  readonly links: readonly LinkCounters[];
  readonly turns: { readonly count: number; readonly totalMs: Millis; readonly longestMs: Millis };
  readonly serviceGap: ServiceGap;
  readonly xapiCalls: number;
  readonly processesStarted: number;
  readonly residentBytes: number;
  /** Processor time of all threads. */
  readonly cpuMs: Millis;
}
