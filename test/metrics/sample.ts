// Counters of a healthy daemon.

import type { Counters } from "../../src/drivers/control/counters.ts";

export const counters: Counters = {
  uptimeMs: 61_000,
  leaseLeftMs: 4_870,
  links: [
    { link: "management", sent: 240, received: 238, missed: 2, roundTripMs: 0.8 },
    { link: "replication", sent: 240, received: 0, missed: 0, roundTripMs: null },
  ],
  turns: { count: 250, totalMs: 75, longestMs: 4 },
  serviceGap: { count: 1, lastMs: 412, endedWallMs: 1 },
  xapiCalls: 14,
  processesStarted: 31,
  residentBytes: 81_000_000,
  cpuMs: 930,
};
