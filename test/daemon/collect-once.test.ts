import assert from "node:assert/strict";
import { test } from "node:test";
import { collectOnce } from "../../src/daemon/collect-once.ts";

test("what a start leaves is collected once, and not in an outage", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  let collections = 0;
  const before = globalThis.gc;
  const counted = (): Promise<void> => {
    collections += 1;
    return Promise.resolve();
  };
  globalThis.gc = counted as NonNullable<typeof globalThis.gc>;
  context.after(() => (globalThis.gc = before));
  let isCalm = false;
  collectOnce(() => isCalm, 1_000, 100);
  context.mock.timers.tick(1_000);
  context.mock.timers.tick(500);
  assert.equal(collections, 0);
  isCalm = true;
  context.mock.timers.tick(100);
  context.mock.timers.tick(10_000);
  assert.equal(collections, 1);
});
