import assert from "node:assert/strict";
import { test } from "node:test";
import type { DrbdView } from "../../../src/core/model/drbd.ts";
import { createResyncEta } from "../../../src/daemon/storage/resync-eta.ts";
import { ownHost } from "../../drivers/control/status-sample.ts";

const healthy = ownHost.resources[0]?.view;
assert.ok(healthy);
const syncing = (outOfSyncKiB: number): DrbdView => ({ ...healthy, outOfSyncKiB, donePercent: 50 });

test("the time left follows the rate of the last half minute", () => {
  let at = 0;
  const eta = createResyncEta(() => at);
  assert.equal(eta("r0", syncing(100_000)), null, "one look is no rate");
  at = 10_000;
  assert.equal(eta("r0", syncing(90_000)), 90);
  at = 60_000;
  assert.equal(eta("r0", syncing(85_000)), null, "what is older than the window says nothing about now");
  at = 70_000;
  assert.equal(eta("r0", syncing(84_000)), 840);
});

test("nothing is foretold while nothing moves, and a finished resync is forgotten", () => {
  let at = 0;
  const eta = createResyncEta(() => at);
  eta("r0", syncing(1000));
  at = 5_000;
  assert.equal(eta("r0", syncing(1000)), null);
  assert.equal(eta("r0", syncing(1200)), null, "more is out of sync than before");
  assert.equal(eta("r0", { ...healthy, donePercent: null, outOfSyncKiB: 0 }), null);
  at = 6_000;
  assert.equal(eta("r0", syncing(500)), null, "a new resync begins anew");
});

test("resources do not mix", () => {
  let at = 0;
  const eta = createResyncEta(() => at);
  eta("r0", syncing(1000));
  eta("r1", syncing(8000));
  at = 2_000;
  assert.equal(eta("r0", syncing(500)), 2);
  assert.equal(eta("r1", syncing(4000)), 2);
});
