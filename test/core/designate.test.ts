import assert from "node:assert/strict";
import { test } from "node:test";
import { servingWorld, type World } from "../sim/world.ts";

/** Host a, the master, goes down: its VMs are gone already, and their end was seen. */
function leaving(world: World): World {
  world.hosts.a.domains.clear();
  world.run(6_000);
  world.command("a", { kind: "leave" });
  return world;
}

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

test("A13: a host that leaves waits until the master role followed the storage", () => {
  const world = leaving(servingWorld({ latencyMs: (kind) => (kind === "xapi-designate" ? 9_000 : undefined) }));
  world.run(8_000);
  assert.equal(world.serving("b"), true, "the storage does not wait for it");
  assert.equal(world.replies.length, 0);
  const tookMs = world.until("it may stop", () => world.replies.length > 0, 10_000);
  assert.equal(world.hosts.b.disk.xapi, "master");
  assert.ok(tookMs < 4_000, `${tookMs} ms`);
  assert.match(world.replies[0]?.action.text ?? "", /^this host gave everything back: the daemon may stop \(\d+ ms\)$/);
  assert.deepEqual(world.violations, []);
});

test("A13: a role that does not follow holds no shutdown up, and that is told", () => {
  const world = servingWorld();
  world.fail("a", "xapi-designate");
  leaving(world);
  world.run(25_000);
  assert.equal(world.replies.length, 0);
  world.until("it may stop", () => world.replies.length > 0, 10_000);
  const reply = world.replies[0]?.action;
  assert.equal(reply?.outcome, "done");
  assert.match(reply.text, /the master role did not follow within 30 s/);
});

test("A13: the role of a master without the storage goes too", () => {
  const world = servingWorld();
  world.command("a", { kind: "switch", storageOnly: true });
  world.until("the storage moved", () => world.serving("b"), 10_000);
  assert.equal(world.hosts.a.disk.xapi, "master");
  leaving(world);
  world.until("it may stop", () => world.replies.some((one) => /gave everything back/.test(one.action.text)), 10_000);
  assert.equal(world.hosts.b.disk.xapi, "master");
});

test("A13: nobody waits for a role that the other host cannot be told to take", () => {
  const world = servingWorld();
  world.powerOff("b");
  leaving(world);
  world.until("it may stop", () => world.replies.length > 0, 15_000);
  assert.doesNotMatch(world.replies[0]?.action.text ?? "", /role/);
});
