import assert from "node:assert/strict";
import { test } from "node:test";
import { poolPass } from "./pool-pass.ts";
import { growth, measure, table } from "./table.ts";

test("a pass over 64 hosts and 1,000 VMs ends within a second", () => {
  const rows = measure([poolPass(64, 1_000)], 5);
  assert.ok((rows[0]?.medianMs ?? Infinity) < 1_000, `${rows[0]?.medianMs} ms`);
});

test("the table has 80 columns and says how the time grows", () => {
  const rows = [
    { name: "small", units: 10, medianMs: 1, worstMs: 2 },
    { name: "large", units: 100, medianMs: 15, worstMs: 20 },
  ];
  assert.equal(growth(rows).toFixed(2), "1.50");
  const lines = table("A title", "VM", rows).split("\n");
  assert.ok(lines.every((line) => line.length <= 80));
  assert.match(lines.at(-1) ?? "", /1\.50/);
});
