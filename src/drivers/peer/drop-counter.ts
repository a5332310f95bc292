// Collects the reasons for dropped packets and reports each at most once per period. Never keeps anything of a packet.

import type { Instant, Millis } from "../../core/model/time.ts";

export interface DropCounter {
  count(reason: string, now: Instant): void;
  /** Reports what has gathered since the last report; called now and then. */
  flush(now: Instant): void;
}

export function createDropCounter(report: (reason: string, count: number) => void, periodMs: Millis): DropCounter {
  const reasons = new Map<string, { pending: number; reportedAt: Instant }>();
  function reportNow(reason: string, pending: number, now: Instant): void {
    reasons.set(reason, { pending: 0, reportedAt: now });
    report(reason, pending);
  }
  return {
    count(reason, now) {
      const entry = reasons.get(reason);
      if (entry === undefined || now - entry.reportedAt >= periodMs) reportNow(reason, (entry?.pending ?? 0) + 1, now);
      else entry.pending += 1;
    },
    flush(now) {
      for (const [reason, { pending, reportedAt }] of reasons) {
        if (pending > 0 && now - reportedAt >= periodMs) reportNow(reason, pending, now);
      }
    },
  };
}
