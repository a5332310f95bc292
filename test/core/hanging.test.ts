// Parts of a host that hang while its daemon runs, and writes that a crash cuts: found by the simulator, here by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { heartbeatOf } from "../../src/core/heartbeat.ts";
import { sideOf } from "../sim/sim.ts";
import { R, servingWorld } from "../sim/world.ts";

test("D3: while the tool that outdates the copy hangs it is not started a second time, and the copy resyncs soon afterwards", () => {
  const world = servingWorld();
  world.hosts.b.drbdUntil = world.now + 20_000;
  world.run(19_000);
  const started = world.log.filter(({ detail }) => detail.includes("did not outdate its copy")).length;
  assert.ok(started > 5, `the owner asked ${started} times`);
  world.run(15_000);
  // Nothing of the old questions is left to outdate the copy again.
  for (let i = 0; i < 240; i++) {
    world.run(250);
    assert.equal(sideOf(world.hosts.b, R).disk, "UpToDate");
  }
  assert.equal(world.drbdConnected, true);
  assert.deepEqual(world.violations, []);
});

test("A2: an owner whose commit is on its way to the disk says solo already: a crash may leave it there", () => {
  let slow = false;
  const world = servingWorld({ latencyMs: (kind) => (kind === "persist" && slow ? 8_000 : undefined) });
  slow = true;
  world.links.replication.a = false;
  world.until("consent", () => sideOf(world.hosts.b, R).disk === "Outdated", 4_000);
  world.links.replication.a = true;
  world.until("resync", () => sideOf(world.hosts.b, R).disk === "UpToDate", 4_000);
  world.run(1_000);
  assert.equal(world.state("a").durable.solo[R], undefined);
  assert.equal(heartbeatOf(world.state("a"), world.now).resources[R]?.solo, true);
  assert.equal(
    world.state("b").syncedEpoch,
    null,
    "the other copy must not be used in place of a record that may exist",
  );
  world.until("confirmed in sync", () => world.state("b").syncedEpoch !== null, 30_000);
  assert.deepEqual(world.violations, []);
});

test("a target that did not answer is looked at again, and the owner goes on deciding", () => {
  const world = servingWorld();
  world.powerOff("b");
  world.hosts.a.targetUntil = world.now + 25_000;
  world.hosts.a.targetDeep = true;
  world.run(40_000);
  assert.equal(world.state("a").target.kind, "known");
  world.powerOn("b");
  world.until("b could take over", () => world.state("b").syncedEpoch === world.state("a").durable.epoch, 20_000);
  assert.deepEqual(world.violations, []);
});

test("V6: a promotion that hangs while the storage is given up ends before nobody owns it in the record", () => {
  const world = servingWorld();
  world.command("a", { kind: "switch", storageOnly: true });
  world.until("released", () => world.state("a").durable.owner === null, 3_000);
  world.hosts.b.drbdUntil = world.now + 13_000;
  world.run(600);
  assert.equal(world.state("b").activity?.kind, "activate");
  // D18: what has no disk goes to the host that has one.
  world.failDisk("b");
  world.until("nobody owns it", () => world.state("b").durable.owner === null, 30_000);
  world.until("it goes back", () => world.serving("a"), 30_000);
  assert.deepEqual(world.violations, []);
});
