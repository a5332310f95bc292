// A token bucket per source, checked before any cryptography. Pure; time is an argument. Bounded in memory.

import type { Instant } from "../../core/model/time.ts";

export interface RateLimit {
  /** False when this source has used up its share. */
  admits(source: string, now: Instant): boolean;
}

const largestSources = 64;

export function createRateLimit(perSecond: number, burst: number): RateLimit {
  const buckets = new Map<string, { tokens: number; at: Instant }>();
  return {
    admits(source, now) {
      const bucket = buckets.get(source) ?? { tokens: burst, at: now };
      const tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.at) * perSecond) / 1000);
      // Re-inserted at the end: the first key is the source that was quiet for longest.
      buckets.delete(source);
      const admitted = tokens >= 1;
      buckets.set(source, { tokens: admitted ? tokens - 1 : tokens, at: now });
      const oldest = buckets.keys().next();
      if (buckets.size > largestSources && oldest.done !== true) buckets.delete(oldest.value);
      return admitted;
    },
  };
}
