// The one sentence of `status` about an owner that hears nothing of the other host.

import assert from "node:assert/strict";
import { test } from "node:test";
import { outcome } from "../../src/core/view.ts";
import { servingWorld } from "../sim/world.ts";
import { cut } from "./mutation.ts";

test("the daemon of the other host is gone, DRBD goes on: nothing waits", () => {
  const world = servingWorld();
  world.killDaemon("b");
  world.run(2_000);
  assert.match(outcome(world.state("a"), world.sim.now), /^serving; the other host is silent for \d\.\d s$/);
});

test("DRBD holds the writes back: the sentence says so, and for what", () => {
  const world = servingWorld();
  cut(world, "b");
  world.until("the writes wait", () => world.state("a").drbd.kind === "known" && !world.serving("a"), 5_000);
  assert.match(outcome(world.state("a"), world.sim.now), /^serving, but I\/O waits: \d\.\d s more of silence$/);
});
