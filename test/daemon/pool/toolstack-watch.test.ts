import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { initialState } from "../../../src/core/model/state.ts";
import {
  freshToolstack,
  judge,
  toolstackIsOthers,
  watchToolstack,
  type ToolstackAnswer,
} from "../../../src/daemon/pool/toolstack-watch.ts";
import { testConfig, testRecord } from "../../sim/settings.ts";

const limits = { count: 2, delayMs: 10_000 };

/** One answer every ten seconds; the instants of the restarts, and when it was given up. */
function story(answers: readonly ToolstackAnswer[]): {
  readonly restarts: readonly number[];
  readonly givenUpAt: number | null;
} {
  let state = freshToolstack;
  const restarts: number[] = [];
  let givenUpAt: number | null = null;
  answers.forEach((answer, i) => {
    const { next, restart } = judge(state, answer, i * 10_000, limits);
    if (restart) restarts.push(i * 10_000);
    if (next.beyondRepair && givenUpAt === null) givenUpAt = i * 10_000;
    state = next;
  });
  return { restarts, givenUpAt };
}
const many = (answer: ToolstackAnswer, count: number): ToolstackAnswer[] => Array.from({ length: count }, () => answer);

test("a toolstack that hangs for XAPI_COUNT x XAPI_DELAY is restarted", () => {
  assert.deepEqual(story([...many("silent", 3), "absent", "answers"]), { restarts: [20_000], givenUpAt: null });
});

test("a pause is not a hang", () => {
  assert.deepEqual(story(["silent", "silent", "answers", "silent", "silent"]), { restarts: [], givenUpAt: null });
});

test("one that starts is left alone for three minutes", () => {
  assert.deepEqual(story([...many("absent", 18), "answers"]), { restarts: [], givenUpAt: null });
  assert.deepEqual(story(many("absent", 20)).restarts, [180_000]);
});

test("restarts are bounded, and then it is beyond repair until it answers", () => {
  assert.deepEqual(story(many("silent", 12)), { restarts: [20_000, 50_000], givenUpAt: 80_000 });
  const { next } = judge({ ...freshToolstack, restarts: 2, beyondRepair: true }, "answers", 0, limits);
  assert.deepEqual(next, freshToolstack);
});

test("with HA off or in maintenance it is a person's business", () => {
  const state = initialState(testConfig("a", "vote"), testRecord("a"), "boot", 1, 0);
  assert.equal(toolstackIsOthers(state), false);
  assert.equal(toolstackIsOthers({ ...state, durable: { ...state.durable, ha: "off" } }), true);
  const flags = { manual: false, maintenance: true };
  assert.equal(toolstackIsOthers({ ...state, durable: { ...state.durable, flags } }), true);
  assert.equal(toolstackIsOthers({ ...state, repairs: { designate: { id: 7, at: 0, failures: 0 } } }), true);
  assert.equal(toolstackIsOthers({ ...state, repairs: { designate: { id: -1, at: 0, failures: 3 } } }), false);
});

test("the watch asks nothing while the pool is readable, restarts what hangs, and tells what is beyond repair", async (context) => {
  let readable = true;
  let asked = 0;
  let restarts = 0;
  const told: boolean[] = [];
  const watch = watchToolstack({
    now: () => performance.now(),
    limits: () => ({ count: 1, delayMs: 2 }),
    readable: () => readable,
    ask() {
      asked++;
      return Promise.resolve("silent");
    },
    handsOff: () => false,
    restart() {
      restarts++;
      return Promise.resolve(null);
    },
    onBeyondRepair: (beyond) => void told.push(beyond),
    log: () => undefined,
  });
  context.after(() => watch.stop());
  await delay(20);
  assert.equal(asked, 0);
  readable = false;
  for (let waited = 0; waited < 2_000 && told.length === 0; waited++) await delay(1);
  assert.deepEqual([restarts, told], [1, [true]]);
  readable = true;
  for (let waited = 0; waited < 2_000 && told.length === 1; waited++) await delay(1);
  assert.deepEqual(told, [true, false]);
});
