import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { watchTarget } from "../../src/daemon/target-watch.ts";
import type { TargetSpec } from "../../src/drivers/iscsi-target/port.ts";

const spec: TargetSpec = { iqn: "iqn.x", tid: 1, luns: [], allow: [], portal: { address: "192.0.2.1", port: 3260 } };

/** Asks every millisecond; resolves with how often the target was ended once the answers are used up. */
async function ended(answers: readonly boolean[], serves: () => boolean = () => true): Promise<number> {
  let asked = 0;
  let ends = 0;
  const target = {
    answers: () => Promise.resolve(answers[asked++] ?? true),
    end: () => void ends++,
  };
  const watch = watchTarget({ target, spec, serves, log: () => undefined, everyMs: 1 });
  for (let waited = 0; waited < 2_000 && asked <= answers.length && serves(); waited++) await delay(1);
  await delay(20);
  watch.stop();
  return ends;
}

test("a target that is silent twice in a row is ended, once", async () => {
  assert.equal(await ended([true, false, false, true]), 1);
});

test("one late answer does not end it", async () => {
  assert.equal(await ended([false, true, false, true]), 0);
});

test("a target that serves nothing is not asked", async () => {
  assert.equal(await ended([false, false, false], () => false), 0);
});
