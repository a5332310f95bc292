// Counts the heartbeats of each link, for metrics: what was sent, what came, and what the peer sent and never came.
// Decides nothing.

import type { Link } from "../../core/model/peer.ts";
import type { Millis } from "../../core/model/time.ts";
import type { LinkCounters } from "./port.ts";

export interface Traffic {
  sent(link: Link): void;
  /** An authentic, new heartbeat of this session; `sentAtMs` is on the sender's own clock. */
  received(link: Link, session: string, sentAtMs: Millis, roundTripMs: Millis | null): void;
  counters(): readonly LinkCounters[];
}

interface Count {
  sent: number;
  received: number;
  missed: number;
  roundTripMs: Millis | null;
  last: { readonly session: string; readonly sentAtMs: Millis } | null;
}

/** `beatMs`: the period of heartbeats, which both hosts have from one configuration. */
export function createTraffic(links: readonly Link[], beatMs: () => Millis): Traffic {
  const counts = new Map<Link, Count>(
    links.map((link) => [link, { sent: 0, received: 0, missed: 0, roundTripMs: null, last: null }]),
  );
  return {
    sent(link) {
      const count = counts.get(link);
      if (count !== undefined) count.sent += 1;
    },
    received(link, session, sentAtMs, roundTripMs) {
      const count = counts.get(link);
      if (count === undefined) return;
      count.received += 1;
      if (roundTripMs !== null) count.roundTripMs = roundTripMs;
      // News travel between two beats, so a gap is never shorter for it: what is counted was due and did not come.
      if (count.last?.session === session)
        count.missed += Math.max(0, Math.round((sentAtMs - count.last.sentAtMs) / beatMs()) - 1);
      count.last = { session, sentAtMs };
    },
    counters: () =>
      [...counts].map(([link, { sent, received, missed, roundTripMs }]) => ({
        link,
        sent,
        received,
        missed,
        roundTripMs,
      })),
  };
}
