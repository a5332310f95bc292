// D14: a peer whose fence device calls it off before anybody switched it. A hint ends the waiting for the owner's turn; it
// proves nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { takeoverRefusal } from "../../src/core/decide/takeover.ts";
import { servingWorld, type World } from "../sim/world.ts";

const { dead, drbd, fenceDelay } = servingWorld({ policy: "strict" }).state("b").config.timers;

/** The owner loses its power; how long until the other host's agent is told to switch it off. */
function fenceAfterMs(world: World): number {
  const from = world.sim.now;
  world.powerOff("a");
  world.until("b fences", () => world.state("b").fence.attempts > 0, 30_000);
  return world.sim.now - from;
}

test("a host that lost its power is fenced without waiting for its own turn, and never sooner than D6 allows", () => {
  const seen = fenceAfterMs(servingWorld({ policy: "strict" }));
  const blind = servingWorld({ policy: "strict" });
  // A device too slow for a look.
  blind.sim.bmc.a = "slow";
  const unseen = fenceAfterMs(blind);
  assert.ok(seen >= dead + fenceDelay - 300 && seen <= dead + fenceDelay + 1_500, `seen after ${seen} ms`);
  assert.ok(unseen >= dead + drbd + fenceDelay - 300, `unseen after ${unseen} ms`);
  assert.ok(seen < unseen);
});

test("what the device says by itself is no proof: without a verified power-off nothing is taken over", () => {
  const world = servingWorld({ policy: "strict" });
  // It reads off and does not carry out what it is told.
  world.sim.bmc.a = "lies";
  world.powerOff("a");
  world.run(8_000);
  assert.notEqual(world.state("b").fence.offAt, null);
  assert.equal(takeoverRefusal(world.state("b"), world.sim.now), "the other host is not proven off");
  world.run(60_000);
  assert.equal(world.serving("b"), false);
  assert.deepEqual(world.violations, []);
});

test("a host that is heard again after the device called it off has its turn again", () => {
  const world = servingWorld({ policy: "strict" });
  for (const host of ["a", "b"] as const) world.sim.network.filtered[host] = true;
  world.until("b suspects", () => world.state("b").suspected, 3_000);
  const id = world.state("b").probes.pending;
  assert.ok(id !== null);
  world.sim.feed(world.sim.hosts.b, { kind: "probe", id, peer: "silent", vip: "free", mac: null, power: "off" });
  assert.notEqual(world.state("b").fence.offAt, null);
  for (const host of ["a", "b"] as const) world.sim.network.filtered[host] = false;
  world.until("contact", () => !world.state("b").suspected, 3_000);
  assert.equal(world.state("b").fence.offAt, null);
  assert.deepEqual(world.violations, []);
});
