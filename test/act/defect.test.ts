// A defect in a hand: the decision function hears an end all the same, and the defect is told as one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { execute, type Findings, type Hands } from "../../src/act/execute.ts";
import { createLanes } from "../../src/act/lanes.ts";

test("an effect whose driver throws ends as failed, and the next one in its lane runs", async () => {
  const defects: unknown[] = [];
  const results: (readonly [number, boolean])[] = [];
  let calls = 0;
  const vip = {
    ensureAbsent: async () => {
      calls += 1;
      if (calls === 1) throw new Error("a defect");
      return { ok: true, value: "already" } as const;
    },
  };
  // No other hand is touched by it.
  const hands = { vip, vipSpec: {} } as unknown as Hands;
  const findings = {
    done: () => undefined,
    vip: () => undefined,
    result: (id: number, ok: boolean) => results.push([id, ok]),
  } as unknown as Findings;
  const lanes = createLanes((defect) => defects.push(defect));
  execute({ kind: "vip-remove", id: 1 }, hands, lanes, findings);
  execute({ kind: "vip-remove", id: 2 }, hands, lanes, findings);
  await lanes.idle();
  assert.deepEqual(results, [
    [1, false],
    [2, true],
  ]);
  assert.equal(defects.length, 1);
});
