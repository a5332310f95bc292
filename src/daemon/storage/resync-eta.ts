// How long a resync still takes, from what became in sync lately. Samples its own input; reads nothing itself.

import type { DrbdView } from "../../core/model/drbd.ts";
import type { Millis } from "../../core/model/time.ts";

interface Sample {
  readonly at: Millis;
  readonly outOfSyncKiB: number;
}

/** The rate is that of this last while: a resync slows down when VMs write, and the figure must follow. */
const WINDOW_MS: Millis = 30_000;
/** Shorter than this says nothing about a rate. */
const LEAST_MS: Millis = 2_000;

/** Seconds until both copies agree; null while nothing runs, nothing is known, or nothing moves. */
export type ResyncEta = (resource: string, view: DrbdView) => number | null;

export function createResyncEta(now: () => Millis): ResyncEta {
  const samples = new Map<string, readonly Sample[]>();
  return (resource, { outOfSyncKiB, donePercent }) => {
    if (donePercent === null || outOfSyncKiB === null) {
      samples.delete(resource);
      return null;
    }
    const at = now();
    const kept = (samples.get(resource) ?? []).filter((one) => one.at > at - WINDOW_MS);
    const all = [...kept, { at, outOfSyncKiB }];
    samples.set(resource, all);
    const [first] = all;
    const tookMs = first === undefined ? 0 : at - first.at;
    const didKiB = first === undefined ? 0 : first.outOfSyncKiB - outOfSyncKiB;
    if (tookMs < LEAST_MS || didKiB <= 0) return null;
    return Math.round((outOfSyncKiB / didKiB) * (tookMs / 1000));
  };
}
