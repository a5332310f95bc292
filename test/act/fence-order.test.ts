// An order to fence waits until everything that reached this thread before it was taken up: its withdrawal may be among it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { execute, type Findings, type Hands } from "../../src/act/execute.ts";
import { createLanes } from "../../src/act/lanes.ts";

async function order(withdraw: boolean): Promise<{ readonly fenced: number; readonly ok: boolean }> {
  const withdrawn = new Set<number>();
  let fenced = 0;
  const fence = {
    async off() {
      fenced += 1;
      return { kind: "verified-off", elapsedMs: 1 } as const;
    },
  };
  // No other hand is touched by it.
  const hands = { fence, withdrawn } as unknown as Hands;
  const isOk = await new Promise<boolean>((resolve) => {
    const findings = {
      done: () => undefined,
      result: (_id: number, ok: boolean) => resolve(ok),
    } as unknown as Findings;
    execute({ kind: "fence", id: 5, hostId: "b" }, hands, createLanes(assert.ifError), findings);
    // The next message of the brain, taken up in the same turn of this thread.
    if (withdraw) queueMicrotask(() => withdrawn.add(5));
  });
  return { fenced, ok: isOk };
}

test("an order that is withdrawn before it began is not carried out, and told as failed", async () => {
  assert.deepEqual(await order(true), { fenced: 0, ok: false });
});

test("an order that stands is carried out", async () => {
  assert.deepEqual(await order(false), { fenced: 1, ok: true });
});
