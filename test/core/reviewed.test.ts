// Sequences of events that a review found and that once broke an invariant, each by hand and without noise.

import assert from "node:assert/strict";
import { test } from "node:test";
import { R, servingWorld, type World } from "../sim/world.ts";
import { observeDomains } from "../sim/observe.ts";
import { cut, mend } from "./mutation.ts";

const runs = (world: World, host: "a" | "b", vm: string): boolean =>
  world.hosts[host].domains.get(vm)?.paused === false;

test("D8: a domain that somebody lets run on in a soft-fenced host is paused again", () => {
  const world = servingWorld();
  cut(world, "b");
  world.until("b is soft-fenced", () => world.state("b").softFenced, 10_000);
  const domain = world.hosts.b.domains.get("vm-b");
  assert.ok(domain !== undefined);
  domain.paused = false;
  observeDomains(world.sim, world.hosts.b);
  world.run(40_000);
  assert.equal(runs(world, "a", "vm-b"), true);
  assert.deepEqual(world.violations, []);
});

test("D13: domains of a soft-fenced host wait while the other host is still starting them", () => {
  const world = servingWorld();
  cut(world, "b");
  // The start takes two seconds, and nobody on a has looked at its domains yet.
  world.until("the VM of b starts on a", () => world.hosts.a.domains.has("vm-b"), 40_000);
  mend(world, "b");
  world.run(15_000);
  assert.equal(runs(world, "a", "vm-b") || runs(world, "b", "vm-b"), true);
  assert.deepEqual(world.violations, []);
});

test("D13: the domains of a soft-fenced owner run on when it serves again", () => {
  const world = servingWorld();
  cut(world, "a");
  cut(world, "b");
  world.until("a is soft-fenced", () => world.state("a").softFenced, 10_000);
  mend(world, "a");
  mend(world, "b");
  world.run(15_000);
  assert.deepEqual([runs(world, "a", "vm-a"), runs(world, "b", "vm-b")], [true, true]);
  assert.deepEqual(world.violations, []);
});

test("A7: confirm-peer-off ends the pause of a host that died during an upgrade", () => {
  const world = servingWorld();
  world.command("a", { kind: "pause" });
  world.run(2_000);
  assert.equal(world.replies.at(-1)?.action.outcome, "done");
  world.killDaemon("a");
  world.powerOff("a");
  world.run(20_000);
  assert.equal(world.serving("b"), false);
  world.command("b", { kind: "confirm-peer-off" });
  world.until("b serves", () => world.serving("b"), 10_000);
  world.until("the VM of a runs on b", () => runs(world, "b", "vm-a"), 60_000);
  assert.deepEqual(world.violations, []);
});

test("D13: the copy that was left behind is not claimed, neither by itself nor by an operator", () => {
  for (const operator of [true, false]) {
    const world = servingWorld();
    cut(world, "b");
    world.until("a goes on alone", () => world.state("a").durable.solo[R] === true, 10_000);
    world.run(10_000);
    // Only the management network comes back.
    world.links.management.b = true;
    world.run(2_000);
    for (const host of ["a", "b"] as const) world.command(host, { kind: "manual", on: true, force: false });
    world.run(500);
    world.command("a", { kind: "become-secondary" });
    world.until("nobody owns it", () => world.state("a").durable.owner === null, 5_000);
    world.run(1_000);
    if (operator) world.command("b", { kind: "become-primary", force: false });
    else {
      for (const host of ["a", "b"] as const) world.command(host, { kind: "manual", on: false, force: true });
    }
    world.run(10_000);
    assert.equal(world.serving("b"), false);
    assert.deepEqual(world.violations, []);
  }
});

test("D3: a switch that begins while the other host still outdates its copy", () => {
  let slow = false;
  const world = servingWorld({ latencyMs: (kind) => (kind === "outdate" && slow ? 900 : undefined) });
  slow = true;
  world.links.replication.a = false;
  world.until("a asks for consent", () => world.state("a").solo?.phase === "asking", 5_000);
  world.links.replication.a = true;
  world.until("connected again", () => world.drbdConnected, 2_000);
  world.command("a", { kind: "switch", storageOnly: true });
  world.run(1_000);
  slow = false;
  world.run(20_000);
  assert.equal(world.serving("a") || world.serving("b"), true);
  assert.deepEqual(world.violations, []);
});

test("D11: the portal's filter opens although a step of standing down failed", () => {
  const world = servingWorld();
  const { body } = world.state("a").peer;
  assert.ok(body !== null);
  world.fail("a", "target-withdraw");
  const heard = {
    link: "management",
    body: { ...body, epoch: body.epoch + 3, owner: "b" },
    echoSentAt: null,
    linkEchoSentAt: null,
    receivedAt: world.now,
  } as const;
  world.sim.feed(world.hosts.a, { kind: "heartbeat", heard });
  world.run(2_000);
  world.fail("a", null);
  world.run(30_000);
  assert.equal(world.serving("b"), true);
  assert.equal(world.hosts.a.blocked, false);
  assert.deepEqual(world.violations, []);
});

test("A13: a host that is to leave while the storage comes to it gives it back at once", () => {
  const world = servingWorld();
  world.command("a", { kind: "switch", storageOnly: true });
  world.until("b activates", () => world.state("b").activity?.kind === "activate", 3_000);
  for (const domain of ["vm-b"]) world.hosts.b.domains.delete(domain);
  world.command("b", { kind: "leave" });
  world.until("a serves", () => world.serving("a"), 10_000);
  assert.deepEqual(world.violations, []);
});

test("A22: VMs that an outage stalled run on when it is over; they are not destroyed while DRBD connects again", () => {
  const world = servingWorld();
  cut(world, "b");
  world.until("a goes on alone", () => world.state("a").durable.solo[R] === true, 10_000);
  // A heuristic address that fails for a moment puts D7 off.
  world.gateway = false;
  world.run(1_000);
  world.gateway = true;
  world.run(10_000);
  const before = world.hosts.b.domains.get("vm-b");
  assert.equal(before?.paused, true);
  mend(world, "b");
  world.run(10_000);
  assert.equal(world.hosts.b.domains.get("vm-b"), before);
  assert.equal(runs(world, "b", "vm-b"), true);
  assert.deepEqual(world.violations, []);
});

test("A22: VMs whose confirmation was lost, or whose start failed, are asked for again", () => {
  const world = servingWorld();
  world.fail("a", "start-confirmed");
  world.links.replication.b = false;
  world.until("b gave its VM up", () => !world.hosts.b.domains.has("vm-b"), 30_000);
  world.run(3_000);
  assert.equal(runs(world, "a", "vm-b"), false);
  world.fail("a", null);
  world.until("it runs on a", () => runs(world, "a", "vm-b"), 30_000);
  assert.deepEqual(world.violations, []);
});

test("D14: hosts whose DRBD outlives their heartbeats do not shoot one another when it ends", () => {
  const world = servingWorld({ policy: "strict" });
  for (const link of ["management", "replication"] as const) world.sim.network.quality[link].loss = 1;
  world.run(10_000);
  for (const host of ["a", "b"] as const) world.sim.network.filtered[host] = true;
  world.run(20_000);
  assert.deepEqual([world.hosts.a.power, world.hosts.b.power], [true, false]);
  assert.deepEqual(world.violations, []);
});

test("D14: an owner that was kept from fencing lets the other host's attempt end first", () => {
  const world = servingWorld({ policy: "strict" });
  for (const host of ["a", "b"] as const) world.sim.network.filtered[host] = true;
  world.run(1_000);
  world.configure("a", { cfgHash: "different" });
  world.run(4_850);
  world.configure("a", { cfgHash: "same" });
  world.run(20_000);
  assert.equal(world.serving("b"), true);
  assert.deepEqual(world.violations, []);
});
