// The balanced profile as the core gets it.

import type { Timers } from "../../../src/core/model/config.ts";

export const TIMERS: Timers = {
  hb: 250,
  echo: 1_000,
  suspect: 1_000,
  sample: 500,
  dead: 3_000,
  drbd: 1_500,
  lease: 5_000,
  soft: 2_000,
  watchdog: 5_000,
  reset: 1_000,
  margin: 1_500,
  take: 13_000,
  quiet: 1_000,
  fenceDelay: 2_000,
  fence: 10_000,
  lag: 500,
  leave: 120_000,
  managementGrace: 60_000,
  flap: 300_000,
  release: 3_000,
};
