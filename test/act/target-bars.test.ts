// D16 outlives the target: whoever is barred stays out when it is filled again, also while nobody of the pair is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { execute, type Findings, type Hands } from "../../src/act/execute.ts";
import { createLanes } from "../../src/act/lanes.ts";
import type { TargetSpec } from "../../src/drivers/iscsi-target/port.ts";

const PEER = "10.1.0.2";
const DEAD = "10.1.0.3";
const spec: TargetSpec = {
  iqn: "iqn",
  tid: 1,
  luns: [],
  allow: ["10.1.0.1", PEER, DEAD],
  portal: { address: "10.1.0.9", port: 3260 },
};

/** What the target was told for one order of the brain. */
async function fill(bar: boolean, dead: readonly string[]): Promise<readonly string[]> {
  const did: string[] = [];
  const changed = { ok: true, value: "changed" } as const;
  const target = {
    fill: async ({ allow }: TargetSpec) => (did.push(`fill for ${allow.join(" ")}`), changed),
    bar: async (_: TargetSpec, addresses: readonly string[]) => (did.push(`bar ${addresses.join(" ")}`), changed),
  };
  const hands = {
    target,
    targetSpec: spec,
    peerInitiators: () => [PEER],
    deadInitiators: () => dead,
    targetWithout: (out: readonly string[]) => ({ ...spec, allow: spec.allow.filter((one) => !out.includes(one)) }),
    // No other hand is touched by it.
  } as unknown as Hands;
  await new Promise<void>((resolve) => {
    const findings = {
      done: () => undefined,
      target: async () => undefined,
      result: () => resolve(),
    } as unknown as Findings;
    execute({ kind: "target-fill", id: 1, bar }, hands, createLanes(assert.ifError), findings);
  });
  return did;
}

test("nobody is barred: the target is filled for everybody", async () => {
  assert.deepEqual(await fill(false, []), [`fill for 10.1.0.1 ${PEER} ${DEAD}`]);
});

test("a dead member stays out while the peer is let in", async () => {
  assert.deepEqual(await fill(false, [DEAD]), [`fill for 10.1.0.1 ${PEER}`, `bar ${DEAD}`]);
});

test("both stay out, from the first moment on", async () => {
  assert.deepEqual(await fill(true, [DEAD]), ["fill for 10.1.0.1", `bar ${PEER} ${DEAD}`]);
});
