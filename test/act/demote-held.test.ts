// A demotion that fails may be held up by a target that nobody knows of any more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { execute, type Findings, type Hands } from "../../src/act/execute.ts";
import { createLanes } from "../../src/act/lanes.ts";
import { err, ok } from "../../src/util/result.ts";

for (const demoted of [
  ok("changed" as const),
  err({ kind: "exit", command: "drbdadm", code: 11, stderr: "held open" }),
]) {
  test(`a demotion that ${demoted.ok ? "succeeds asks for no" : "fails asks for a"} look at the target`, async () => {
    const looks: unknown[] = [];
    const hands = { drbd: { demote: async () => demoted } } as unknown as Hands;
    await new Promise<void>((resolve) => {
      const findings = {
        done: () => undefined,
        drbd: () => undefined,
        target: async (verified: unknown) => void looks.push(verified),
        result: () => resolve(),
      } as unknown as Findings;
      execute({ kind: "demote", id: 1, resource: "r" }, hands, createLanes(assert.ifError), findings);
    });
    assert.deepEqual(looks, demoted.ok ? [] : [null]);
  });
}
