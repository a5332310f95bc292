// Rules that the scenarios of protocol.test.ts do not turn red by themselves: each test fails when its rule is removed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hostLossForbidden, takeoverForbidden } from "../../src/core/facts.ts";
import { known } from "../../src/core/model/observation.ts";
import { step } from "../../src/core/step.ts";
import { servingWorld } from "../sim/world.ts";

test("D1: manual mode of either host forbids a takeover", () => {
  const world = servingWorld();
  world.command("b", { kind: "manual", on: true, force: false });
  world.run(1_000);
  world.powerOff("a");
  world.run(30_000);
  assert.equal(world.serving("b"), false);
});

test("A3: without a heuristic address there is no vote and no takeover", () => {
  const world = servingWorld({ config: { heuristics: [] } });
  world.powerOff("a");
  world.run(30_000);
  assert.equal(world.serving("b"), false);
});

test("D1: a host whose peer was last heard without HA takes nothing over", () => {
  const state = servingWorld().state("b");
  const left = { ...state, durable: { ...state.durable, peerHa: "off" as const } };
  assert.match(takeoverForbidden(left) ?? "", /HA was off on the other host/);
});

test("D16: the peer's initiators are barred before its VMs start here", () => {
  const world = servingWorld({ policy: "strict" });
  world.powerOff("b");
  world.until("the lost VM runs on a", () => world.hosts.a.domains.has("vm-b"), 45_000);
  assert.equal(world.hosts.a.target.barred, true);
});

test("D17: the storage follows the pool master while both hosts answer", () => {
  const state = servingWorld().state("a");
  const xapi = known({ role: "supporter" as const, masterId: "b" }, state.lastTick);
  const after = step(state, { kind: "xapi", xapi }, state.lastTick + 1);
  assert.equal(after.state.activity?.kind, "release");
});

test("a host whose configuration is in doubt neither fences nor takes over nor restarts VMs", () => {
  const state = servingWorld().state("b");
  const config = { ...state.config, disarmed: "the configuration has errors" };
  assert.equal(takeoverForbidden({ ...state, config }), "the configuration has errors");
  assert.equal(hostLossForbidden({ ...state, config }), "the configuration has errors");
});
