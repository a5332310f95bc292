// What the daemon counts for metrics, put together only when somebody asks: nothing of it costs a wake-up.

import { performance } from "node:perf_hooks";
import type { StatusDocument } from "../../core/model/status.ts";
import type { Millis } from "../../core/model/time.ts";
import type { ControlReply } from "../../drivers/control/port.ts";
import type { Snapshot } from "../brain/messages.ts";
import { createServiceGaps } from "../history/service-gap.ts";

/** What the doors to the outside count. */
export interface Tally {
  processStarted(): void;
  xapiCalled(): void;
  counts(): { readonly processesStarted: number; readonly xapiCalls: number };
}

export function createTally(): Tally {
  let processesStarted = 0;
  let xapiCalls = 0;
  return {
    processStarted: () => void processesStarted++,
    xapiCalled: () => void xapiCalls++,
    counts: () => ({ processesStarted, xapiCalls }),
  };
}

export interface MetricsPart {
  /** A new snapshot of the decision. */
  saw(snapshot: Snapshot): void;
  reply(): ControlReply;
}

export interface MetricsParts {
  readonly tally: Tally;
  readonly status: () => StatusDocument | null;
  readonly wallMs: () => Millis;
}

export function createMetricsPart({ tally, status, wallMs }: MetricsParts): MetricsPart {
  const gaps = createServiceGaps();
  let counts: Snapshot["counts"] | null = null;
  return {
    saw(snapshot) {
      counts = snapshot.counts;
      const peerServes = snapshot.inContact ? snapshot.state.peer.body?.serving === true : null;
      gaps.saw(snapshot.serving || peerServes, performance.now(), wallMs());
    },
    reply() {
      const document = status();
      if (document === null)
        return { kind: "failed", reason: "the daemon has only just started", next: "try again in a second" };
      const { user, system } = process.cpuUsage();
      return {
        kind: "metrics",
        status: document,
        counters: {
          uptimeMs: process.uptime() * 1_000,
          // A host that holds no copy of the storage has neither lease nor pair.
          leaseLeftMs: counts?.leaseLeftMs ?? 0,
          links: counts?.links ?? [],
          turns: counts?.turns ?? { count: 0, totalMs: 0, longestMs: 0 },
          serviceGap: gaps.counters(),
          ...tally.counts(),
          residentBytes: process.memoryUsage.rss(),
          cpuMs: (user + system) / 1_000,
        },
      };
    },
  };
}
