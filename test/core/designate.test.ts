import assert from "node:assert/strict";
import { test } from "node:test";
import { servingWorld } from "../sim/world.ts";

test("D18: the master role follows the storage once the management network that was the reason is back", () => {
  const world = servingWorld();
  world.links.management.a = false;
  world.until("the storage moved", () => world.serving("b"), 90_000);
  world.run(10_000);
  assert.equal(world.hosts.a.disk.xapi, "master", "the toolstacks cannot reach one another");
  world.links.management.a = true;
  world.until("the master role followed", () => world.hosts.b.disk.xapi === "master", 70_000);
  assert.equal(world.hosts.a.disk.xapi, "supporter");
  world.run(60_000);
  assert.equal(world.serving("b"), true);
  assert.deepEqual(world.violations, []);
});

test("D18: the master role stays when the storage came back before it could follow", () => {
  const world = servingWorld();
  world.links.management.a = false;
  world.until("the storage moved", () => world.serving("b"), 90_000);
  // The next try is 16 s away.
  world.run(20_000);
  world.links.management.a = true;
  world.command("b", { kind: "switch", storageOnly: true });
  world.until("the storage is back", () => world.serving("a"), 20_000);
  world.run(90_000);
  assert.equal(world.hosts.a.disk.xapi, "master");
  assert.equal(world.serving("a"), true);
  assert.deepEqual(world.violations, []);
});
