// become-secondary with both hosts in manual mode: the storage stays up until the other host takes it, or its time is over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { YIELD_MS } from "../../src/core/decide/yield.ts";
import { servingWorld, type World } from "../sim/world.ts";

function bothManual(): World {
  const world = servingWorld();
  for (const host of ["a", "b"] as const) world.command(host, { kind: "manual", on: true, force: false });
  world.run(1_000);
  world.command("a", { kind: "become-secondary" });
  world.run(3_000);
  return world;
}

test("the owner serves on until become-primary is said on the other host, and then hands over in a moment", () => {
  const world = bothManual();
  assert.equal(world.serving("a"), true);
  world.command("b", { kind: "become-primary", force: false });
  const took = world.until("b serves", () => world.serving("b"), 3_000);
  assert.ok(took <= 1_200, `took ${took} ms`);
  world.run(2 * YIELD_MS);
  assert.equal(world.serving("b"), true);
  assert.deepEqual(world.violations, []);
});

test("the owner lets go by itself when nobody comes for the storage", () => {
  const world = bothManual();
  world.run(YIELD_MS);
  assert.deepEqual([world.serving("a"), world.serving("b")], [false, false]);
  assert.equal(world.state("a").durable.owner, null);
  world.command("b", { kind: "become-primary", force: false });
  world.until("b serves", () => world.serving("b"), 3_000);
  assert.deepEqual(world.violations, []);
});

test("become-primary is refused where the owner was not told to let go", () => {
  const world = servingWorld();
  for (const host of ["a", "b"] as const) world.command(host, { kind: "manual", on: true, force: false });
  world.run(1_000);
  world.command("b", { kind: "become-primary", force: false });
  assert.equal(world.replies.at(-1)?.action.outcome, "refused");
  assert.equal(world.serving("a"), true);
});

test("manual mode that ends takes the word back", () => {
  const world = bothManual();
  world.command("a", { kind: "manual", on: false, force: true });
  world.run(2 * YIELD_MS);
  assert.equal(world.serving("a"), true);
  assert.deepEqual(world.violations, []);
});

test("V1: by force too nothing is taken while a third machine answers for the floating IP", () => {
  const world = servingWorld();
  for (const host of ["a", "b"] as const) world.command(host, { kind: "manual", on: true, force: false });
  world.run(1_000);
  world.powerOff("a");
  world.sim.vipConflict = true;
  world.run(15_000);
  world.command("b", { kind: "confirm-peer-off" });
  world.run(1_000);
  const take = (): string | undefined => {
    world.command("b", { kind: "become-primary", force: true });
    world.run(5_000);
    return world.replies.at(-1)?.action.text;
  };
  assert.match(take() ?? "", /floating IP is answered by/);
  assert.equal(world.serving("b"), false);
  world.sim.vipConflict = false;
  world.run(15_000);
  take();
  assert.equal(world.serving("b"), true);
  assert.deepEqual(world.violations, []);
});
