import assert from "node:assert/strict";
import { test } from "node:test";
import { lossRow, lossTable } from "./loss.ts";

test("a third of all heartbeats lost moves nothing, and half of them is noticed at all", () => {
  const row = lossRow(30, 2, 2, 1);
  assert.deepEqual([row.acts, row.violations], [0, 0]);
  // Else the loss would not reach the heartbeats, and the table would be of no worth.
  const heavy = lossRow(70, 1, 1, 1);
  assert.ok(heavy.suspicions > 0);
  assert.match(lossTable([row, heavy]), /30 %[^]*70 %/);
});
