import assert from "node:assert/strict";
import { test } from "node:test";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { inStep } from "../../src/daemon/in-step.ts";

test("timers of one period fall together, whenever they were begun, and once per period", async () => {
  const first: number[] = [];
  const second: number[] = [];
  const one = inStep(100, () => first.push(performance.now()));
  await delay(37);
  const two = inStep(100, () => second.push(performance.now()));
  await delay(1_000);
  one.stop();
  two.stop();
  const counts = [first.length, second.length];
  await delay(250);
  assert.deepEqual([first.length, second.length], counts, "stopped");
  // A machine that is busy makes turns late and so fewer, never more.
  for (const times of [first, second])
    assert.ok(times.length >= 3 && times.length <= 11, `found ${times.length} turns`);
  const phases = [...first, ...second].map((at) => at % 100).toSorted((a, b) => a - b);
  const median = phases[Math.floor(phases.length / 2)] ?? Infinity;
  assert.ok(median < 30, `found a median of ${median} ms after the whole multiple`);
});
