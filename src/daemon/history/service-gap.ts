// How long nobody served the storage, as this host sees it: from the moment when the host that served stopped to the one
// when either serves again. For metrics; decides nothing.

import type { Millis } from "../../core/model/time.ts";
import type { ServiceGap } from "../../drivers/control/counters.ts";

export interface ServiceGaps {
  /** Somebody serves, nobody does, or (null) the other host is silent and this one does not serve: it is not known. */
  saw(served: boolean | null, atMs: Millis, wallMs: Millis): void;
  counters(): ServiceGap;
}

export function createServiceGaps(): ServiceGaps {
  let servedAt: Millis | null = null;
  let gapFrom: Millis | null = null;
  let last: ServiceGap = { count: 0, lastMs: null, endedWallMs: null };
  return {
    saw(served, atMs, wallMs) {
      if (served === true) {
        if (gapFrom !== null) last = { count: last.count + 1, lastMs: atMs - gapFrom, endedWallMs: wallMs };
        gapFrom = null;
        servedAt = atMs;
        return;
      }
      // Before anybody served there is nothing that could stop.
      if (servedAt !== null) gapFrom ??= atMs;
    },
    counters: () => last,
  };
}
