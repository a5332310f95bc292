// What the daemon counts for metrics: heartbeats that did not come, turns, and the time that nobody served.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createServiceGaps } from "../../src/daemon/history/service-gap.ts";
import { createTurnTimes } from "../../src/daemon/brain/turn-times.ts";
import { createTraffic } from "../../src/drivers/peer/traffic.ts";

test("heartbeats that were due by the sender's clock and did not come are counted, per link", () => {
  const traffic = createTraffic(["management", "replication"], () => 250);
  const hear = (sentAtMs: number, session = "boot 1"): void =>
    traffic.received("management", session, sentAtMs, sentAtMs === 500 ? 0.7 : null);
  for (const at of [0, 251, 500]) hear(at);
  // A state change travels at once: one more, and the next in its time.
  for (const at of [600, 750]) hear(at);
  hear(1_500);
  assert.deepEqual(traffic.counters(), [
    { link: "management", sent: 0, received: 6, missed: 2, roundTripMs: 0.7 },
    { link: "replication", sent: 0, received: 0, missed: 0, roundTripMs: null },
  ]);
  // A new daemon's clock begins anew.
  hear(90_000, "boot 2");
  hear(90_250, "boot 2");
  assert.equal(traffic.counters()[0]?.missed, 2);
});

test("the longest turn is forgotten after two minutes at most", () => {
  const times = createTurnTimes();
  times.took(0, 40);
  times.took(100, 101);
  assert.deepEqual(times.counters(), { count: 2, totalMs: 41, longestMs: 40 });
  times.took(60_100, 60_102);
  assert.equal(times.counters().longestMs, 40);
  times.took(120_200, 120_203);
  assert.equal(times.counters().longestMs, 3);
});

test("a service gap runs from who stopped serving to whoever serves next", () => {
  const gaps = createServiceGaps();
  gaps.saw(false, 0, 0);
  gaps.saw(null, 50, 50);
  assert.deepEqual(gaps.counters(), { count: 0, lastMs: null, endedWallMs: null });
  gaps.saw(true, 100, 100);
  gaps.saw(false, 1_000, 1_000);
  gaps.saw(null, 1_200, 1_200);
  assert.equal(gaps.counters().count, 0);
  gaps.saw(true, 1_412, 1_412);
  assert.deepEqual(gaps.counters(), { count: 1, lastMs: 412, endedWallMs: 1_412 });
});
