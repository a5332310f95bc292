// The simulator itself: a seed is a whole run, a missing rule is found and shortened, and what VOTE can't survive (H1) is
// written down as what happens.

import assert from "node:assert/strict";
import { test } from "node:test";
import { planOf, runPlan, shrink, type PlanOptions } from "./schedule.ts";
import { servingWorld, type World } from "./world.ts";

const options: PlanOptions = { policies: ["vote", "strict", "strict+vote"], long: false };

test("the same seed gives the same run, event for event", () => {
  for (let seed = 0; seed < 5; seed++) {
    const plan = planOf(seed, options);
    assert.deepEqual(runPlan(plan, options).log, runPlan(plan, options).log);
  }
});

test("every schedule has two faults at least and sixty virtual seconds", () => {
  for (let seed = 0; seed < 20; seed++) {
    const { faults, virtualMs } = runPlan(planOf(seed, options), options);
    assert.ok(faults >= 2 && virtualMs >= 60_000, `seed ${seed}: ${faults} faults, ${virtualMs} ms`);
  }
});

test("without D7 a seed shows a VM on two hosts, and its shortened schedule still does", () => {
  const without: PlanOptions = { policies: ["vote"], long: false, removedRules: ["D7"] };
  let seed = 0;
  while (runPlan(planOf(seed, without), without).violations.length === 0) {
    seed += 1;
    assert.ok(seed < 300, "300 schedules without D7 held every invariant");
  }
  const whole = planOf(seed, without);
  const { plan, outcome } = shrink(whole, (smaller) => runPlan(smaller, without));
  assert.match(outcome.violations[0] ?? "", /^V2 /);
  assert.ok(plan.faults.length <= whole.faults.length);
});

/** H1 violated: each host reaches the gateway and neither reaches the other. */
function filtered(policy: "vote" | "strict" | "strict+vote"): World {
  const world = servingWorld({ policy });
  for (const name of ["a", "b"] as const) world.sim.network.filtered[name] = true;
  // The BMCs stand behind the same filter: STRICT+VOTE falls back to the vote.
  if (policy === "strict+vote") for (const name of ["a", "b"] as const) world.bmc[name] = "dead";
  world.run(60_000);
  return world;
}

test("a filter between the hosts (H1 violated): VOTE and STRICT+VOTE let both hosts own one epoch, as their hypothesis says", () => {
  for (const policy of ["vote", "strict+vote"] as const) {
    const { violations } = filtered(policy);
    assert.ok(
      violations.some((text) => /^V[126] /.test(text)),
      `${policy}: ${violations.join("; ")}`,
    );
  }
});

test("a filter between the hosts (H1 violated): STRICT holds, by power-off", () => {
  const world = filtered("strict");
  assert.deepEqual(world.violations, []);
  assert.notEqual(world.hosts.a.power, world.hosts.b.power);
});
