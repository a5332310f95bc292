// The simulator of pools of three to five hosts: a seed is a whole run, and a rule of the pool that is taken out is found.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inContact, leads } from "../../../src/core/pool/facts.ts";
import { shrink } from "../schedule.ts";
import { localNow } from "../stage.ts";
import { memberOf } from "./members.ts";
import { createPool } from "./world.ts";
import { poolPlanOf, runPoolPlan, type PoolPlanOptions } from "./schedule.ts";

const options: PoolPlanOptions = {
  policies: ["vote", "strict", "strict+vote", "witness"],
  hosts: [3, 4, 5],
  long: false,
};

test("the same seed gives the same run, event for event", () => {
  for (let seed = 0; seed < 4; seed++) {
    const plan = poolPlanOf(seed, options);
    assert.deepEqual(runPoolPlan(plan, options).log, runPoolPlan(plan, options).log);
  }
});

test("the storage host that stands by hears a member that was started anew, although it does not report there first", () => {
  const pool = createPool({ hosts: 4, storage: true, policy: "vote" });
  for (const m of pool.members) pool.powerOn(m);
  pool.run(15_000);
  const d = memberOf(pool, "d");
  pool.powerOff(d, "fault");
  pool.run(10_000);
  pool.powerOn(d);
  pool.run(10_000);
  const { state, machine } = memberOf(pool, "b");
  assert.ok(state !== null && !leads(state, localNow(pool.stage, machine)));
  const known = state.neighbours["d"];
  assert.ok(known !== undefined && inContact(state, known, localNow(pool.stage, machine)));
  assert.deepEqual(pool.stage.violations, []);
});

test("sizes, policies and pools with and without storage are all drawn", () => {
  const plans = Array.from({ length: 400 }, (_, seed) => poolPlanOf(seed, options));
  const kinds = new Set(plans.map(({ hosts, storage, policy }) => `${hosts} ${storage} ${policy}`));
  assert.equal(kinds.size, 3 * (4 + 3), [...kinds].join());
  assert.ok(plans.every(({ faults }) => faults.length >= 2));
});

for (const [rule, invariant] of [
  ["D7", /^V2 /],
  ["D8", /^V2 /],
  ["D16", /^V2 /],
] as const) {
  test(`without ${rule} a seed shows it, and its shortened schedule still does`, () => {
    const without: PoolPlanOptions = { ...options, policies: ["vote"], removedRules: [rule] };
    let seed = 0;
    const broken = (): boolean => invariant.test(runPoolPlan(poolPlanOf(seed, without), without).violations[0] ?? "");
    while (!broken()) {
      seed += 1;
      assert.ok(seed < 300, `300 schedules without ${rule} held every invariant`);
    }
    const whole = poolPlanOf(seed, without);
    const { plan, outcome } = shrink(whole, (smaller) => runPoolPlan(smaller, without));
    assert.match(outcome.violations[0] ?? "", invariant);
    assert.ok(plan.faults.length <= whole.faults.length);
  });
}
