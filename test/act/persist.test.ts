// A durable write that fails late: what a restart would find is what the decision function is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { execute, type Findings, type Hands } from "../../src/act/execute.ts";
import { createLanes } from "../../src/act/lanes.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { StoreError, StorePort } from "../../src/drivers/store/port.ts";
import { err, ok, type Result } from "../../src/util/result.ts";
import { testRecord } from "../sim/world.ts";

const wanted = testRecord("a", { epoch: 7, owner: "a" });
const failed: StoreError = { kind: "io", path: "/state", reason: "fsync of the directory: EIO" };

async function told(
  found: Result<DurableRecord, StoreError>,
): Promise<{ readonly ok: boolean; readonly detail: string }> {
  const store: StorePort = { save: async () => err(failed), load: async () => found };
  // The other hands are not touched by a durable write.
  const hands = { store } as unknown as Hands;
  return await new Promise((resolve) => {
    const findings = {
      done: () => undefined,
      result: (_id: number, isOk: boolean, detail: string) => resolve({ ok: isOk, detail }),
    } as unknown as Findings;
    execute({ kind: "persist", id: 1, record: wanted }, hands, createLanes(assert.ifError), findings);
  });
}

test("a failed write whose record is in place counts as written", async () => {
  assert.equal((await told(ok({ ...wanted }))).ok, true);
});

test("a failed write that left the old record is a failure, with its reason", async () => {
  const result = await told(ok(testRecord("a", { epoch: 6, owner: "b" })));
  assert.equal(result.ok, false);
  assert.match(result.detail, /EIO/);
});

test("a failed write whose record cannot be read back is a failure", async () => {
  assert.equal((await told(err(failed))).ok, false);
});
