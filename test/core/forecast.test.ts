// "What if the other host died now": the forecast must come true in the simulator, for every policy and both roles.

import assert from "node:assert/strict";
import { test } from "node:test";
import { forecast, type ForecastResult, type ForecastWorld } from "../../src/core/forecast.ts";
import { servingWorld } from "../sim/world.ts";

const ALL_WELL: ForecastWorld = { heuristicsAnswer: true, witnessAnswers: true, fenceWorks: true, fenceMs: 500 };

const at = (found: ForecastResult | null, what: RegExp): number => {
  const one = found?.steps.find((step) => what.test(step.what));
  assert.ok(one !== undefined, `no step like ${what.source} in ${JSON.stringify(found)}`);
  return one.afterMs;
};

for (const policy of ["vote", "strict", "strict+vote", "witness"] as const) {
  test(`${policy}: the standby host foretells its takeover, and it happens within two seconds of that`, () => {
    const world = servingWorld({ policy });
    const found = forecast(world.state("b"), ALL_WELL);
    assert.equal(found?.storageServed, true, JSON.stringify(found));
    assert.deepEqual(found?.obstacles, []);
    const served = at(found, /serves the storage/);
    at(found, /protected VMs start here/);
    world.powerOff("a");
    const real = world.until("takeover", () => world.serving("b"), 20_000);
    assert.ok(Math.abs(real - served) < 2_000, `foretold ${served} ms, happened after ${real} ms`);
  });

  test(`${policy}: the owner foretells that it goes on`, () => {
    const world = servingWorld({ policy });
    const found = forecast(world.state("a"), ALL_WELL);
    assert.equal(found?.storageServed, true, JSON.stringify(found));
    assert.deepEqual(found?.obstacles, []);
    assert.ok(at(found, /I\/O goes on/) < 7_000);
    at(found, /protected VMs start here/);
  });
}

test("a vote that cannot be won, a dead device and a silent witness are named as what holds it back", () => {
  const lost = forecast(servingWorld().state("b"), { ...ALL_WELL, heuristicsAnswer: false });
  assert.equal(lost?.storageServed, false);
  assert.match(lost?.obstacles.join("\n") ?? "", /vote/);
  const stuck = forecast(servingWorld({ policy: "strict" }).state("b"), { ...ALL_WELL, fenceWorks: false });
  assert.equal(stuck?.storageServed, false);
  assert.match(stuck?.obstacles.join("\n") ?? "", /fencing failed 3 times/);
  at(stuck, /fence device fails/);
  const silent = forecast(servingWorld({ policy: "witness" }).state("b"), { ...ALL_WELL, witnessAnswers: false });
  assert.equal(silent?.storageServed, false);
  assert.match(silent?.obstacles.join("\n") ?? "", /stopped serving/);
});

test("with HA off nothing is taken over, and it says so; the state it looks at is untouched", () => {
  const world = servingWorld();
  world.command("a", { kind: "disable", force: false });
  world.run(2_000);
  const before = JSON.stringify(world.state("b"));
  const found = forecast(world.state("b"), ALL_WELL);
  assert.equal(found?.storageServed, false);
  assert.match(found?.obstacles.join("\n") ?? "", /HA is off/);
  assert.equal(JSON.stringify(world.state("b")), before);
});

test("while the other host is silent already there is nothing to foretell", () => {
  const world = servingWorld();
  world.powerOff("a");
  world.run(3_000);
  assert.equal(forecast(world.state("b"), ALL_WELL), null);
});
