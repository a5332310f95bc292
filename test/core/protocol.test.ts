// The decision function on two simulated hosts: the scenarios of the first issue in virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sideOf } from "../sim/sim.ts";
import { R, servingWorld, type World } from "../sim/world.ts";

function safe(world: World): void {
  assert.deepEqual(world.violations, []);
}

function stall(world: World, limitMs: number, settleMs = 8_000): number {
  let longest = 0;
  let last = world.acked;
  let lastAt = world.now;
  const end = world.now + limitMs;
  while (world.now < end) {
    world.run(50);
    if (world.acked > last) {
      longest = Math.max(longest, world.now - lastAt);
      last = world.acked;
      lastAt = world.now;
    }
    if (longest > 200 && world.now - lastAt < 100 && world.now > end - limitMs + settleMs) break;
  }
  return Math.max(longest, world.now - lastAt);
}

test("two hosts that boot together give the storage to the pool master", () => {
  const world = servingWorld();
  assert.equal(world.serving("a"), true);
  assert.equal(world.state("b").durable.owner, "a");
  assert.equal(world.state("b").syncedEpoch, world.state("b").durable.epoch);
  safe(world);
});

for (const [policy, limit] of [
  ["strict", 10_000],
  ["vote", 18_000],
  ["strict+vote", 18_000],
] as const) {
  test(`master power loss under ${policy}: the other host serves within ${limit} ms and starts the lost VM`, () => {
    const world = servingWorld({ policy });
    const acked = world.acked;
    world.powerOff("a");
    const back = world.until("takeover", () => world.serving("b"), limit);
    assert.ok(back > 3_000, `took over after only ${back} ms`);
    world.until("the lost VM runs on b", () => world.hosts.b.domains.has("vm-a"), 45_000);
    assert.ok(world.acked >= acked);
    safe(world);
  });

  test(`supporter power loss under ${policy}: I/O goes on, its VM restarts`, () => {
    const world = servingWorld({ policy });
    world.powerOff("b");
    const longest = stall(world, 10_000);
    assert.ok(longest <= (policy === "vote" ? 5_000 : 10_000), `stalled ${longest} ms`);
    world.until("the lost VM runs on a", () => world.hosts.a.domains.has("vm-b"), 45_000);
    safe(world);
  });
}

test("replication link loss: consent within a second after DRBD noticed, and the outdated copy never takes over", () => {
  const world = servingWorld();
  world.links.replication.a = false;
  const longest = stall(world, 5_000);
  assert.ok(longest <= 2_500, `stalled ${longest} ms`);
  assert.equal(sideOf(world.hosts.b, R).disk, "Outdated");
  assert.equal(world.state("a").durable.solo["iscsi1"], true);
  world.powerOff("a");
  world.run(40_000);
  assert.equal(world.serving("b"), false);
  safe(world);
});

test("replication link back: resync, solo cleared, the copy is eligible again", () => {
  const world = servingWorld();
  world.links.replication.a = false;
  world.run(5_000);
  world.links.replication.a = true;
  world.run(5_000);
  assert.equal(world.state("a").durable.solo["iscsi1"], false);
  assert.equal(world.state("b").syncedEpoch, world.state("b").durable.epoch);
  world.powerOff("a");
  world.until("takeover", () => world.serving("b"), 18_000);
  safe(world);
});

test("management link loss on the master: storage stays, nobody is fenced", () => {
  for (const policy of ["vote", "strict"] as const) {
    const world = servingWorld({ policy });
    world.links.management.a = false;
    world.run(30_000);
    assert.equal(world.serving("a"), true);
    assert.equal(world.hosts.b.power, true);
    safe(world);
  }
});

test("switch loss: nothing changes while the replication link carries heartbeats", () => {
  const world = servingWorld();
  world.gateway = false;
  world.links.management.a = false;
  world.links.management.b = false;
  world.run(30_000);
  assert.equal(world.serving("a"), true);
  safe(world);
});

test("both links lost on the master under VOTE: it stops and pauses, the other host takes over", () => {
  const world = servingWorld();
  world.links.management.a = false;
  world.links.replication.a = false;
  world.run(7_000);
  assert.equal(world.state("a").softFenced, true);
  assert.equal(world.hosts.a.domains.get("vm-a")?.paused, true);
  assert.equal(world.hosts.a.power, true, "a verified soft fence keeps the watchdog fed");
  world.until("takeover", () => world.serving("b"), 12_000);
  world.until("the paused VM runs on b", () => world.hosts.b.domains.has("vm-a"), 45_000);
  safe(world);
  world.links.management.a = true;
  world.links.replication.a = true;
  world.run(10_000);
  assert.equal(world.state("a").durable.owner, "b");
  assert.equal(world.serving("b"), true);
  assert.equal(world.hosts.a.domains.has("vm-a"), false, "the stale copy is destroyed");
  safe(world);
});

test("both links lost on the master under STRICT: it is powered off and the other host serves", () => {
  const world = servingWorld({ policy: "strict" });
  world.links.management.a = false;
  world.links.replication.a = false;
  world.until("takeover", () => world.serving("b"), 10_000);
  assert.equal(world.hosts.a.power, false);
  safe(world);
});

test("planned switch: a short stall, the other host serves, the pool master follows", () => {
  const world = servingWorld();
  world.command("a", { kind: "switch", storageOnly: false });
  const longest = stall(world, 6_000, 3_000);
  assert.ok(longest <= 1_000, `stalled ${longest} ms`);
  assert.equal(world.serving("b"), true);
  assert.equal(world.replies.at(-1)?.action.outcome, "done");
  assert.equal(world.hosts.b.disk.xapi, "master");
  world.run(10_000);
  assert.equal(world.serving("b"), true, "it stays there");
  world.command("a", { kind: "switch", storageOnly: false });
  world.until("back", () => world.serving("a"), 5_000);
  safe(world);
});

test("a killed daemon changes nothing; restarted it goes on as owner", () => {
  const world = servingWorld();
  const epoch = world.state("a").durable.epoch;
  world.killDaemon("a");
  world.run(900);
  world.startDaemon("a");
  world.run(5_000);
  assert.equal(world.serving("a"), true);
  assert.equal(world.state("a").durable.epoch, epoch);
  assert.equal(world.hosts.b.power, true);
  safe(world);
});

test("a killed target is filled and opened again in place", () => {
  const world = servingWorld();
  world.killTarget("a");
  const took = world.until("target back", () => world.serving("a"), 2_000);
  assert.ok(took <= 1_000, `took ${took} ms`);
  safe(world);
});

test("rolling maintenance in manual mode: storage moves only when told, both ways", () => {
  const world = servingWorld();
  world.command("a", { kind: "disable", force: false });
  world.run(1_000);
  assert.equal(world.state("b").durable.ha, "off");
  world.command("a", { kind: "manual", on: true, force: false });
  world.command("b", { kind: "manual", on: true, force: false });
  world.run(1_000);
  world.command("a", { kind: "become-secondary" });
  world.run(600);
  world.command("b", { kind: "become-primary", force: false });
  world.until("b serves", () => world.serving("b"), 3_000);
  world.powerOff("a");
  world.until("b goes on alone: both modes forbid takeovers", () => world.serving("b"), 4_000);
  world.run(20_000);
  assert.equal(world.serving("b"), true);
  world.powerOn("a");
  world.run(10_000);
  assert.equal(world.state("b").durable.solo["iscsi1"], false);
  world.command("b", { kind: "manual", on: false, force: false });
  world.run(200);
  assert.equal(world.replies.at(-1)?.action.outcome, "refused", "not in native roles yet");
  world.command("b", { kind: "become-secondary" });
  world.run(600);
  world.command("a", { kind: "become-primary", force: false });
  world.until("a serves", () => world.serving("a"), 3_000);
  world.command("a", { kind: "manual", on: false, force: false });
  world.command("b", { kind: "manual", on: false, force: false });
  world.run(1_000);
  world.command("a", { kind: "enable", force: false });
  world.run(3_000);
  assert.equal(world.state("a").durable.ha, "on");
  assert.equal(world.state("b").durable.ha, "on");
  assert.equal(world.serving("a"), true);
  safe(world);
});

test("a host that boots alone from a stale record does not promote", () => {
  const world = servingWorld();
  world.powerOff("a");
  world.until("takeover", () => world.serving("b"), 18_000);
  world.powerOff("b");
  world.powerOn("a");
  world.run(60_000);
  assert.equal(world.serving("a"), false);
  safe(world);
});

test("the last solo owner serves alone at once after a full power loss", () => {
  const world = servingWorld();
  world.powerOff("a");
  world.until("takeover", () => world.serving("b"), 18_000);
  world.powerOff("b");
  world.powerOn("b");
  world.until("b alone", () => world.serving("b"), 10_000);
  safe(world);
});

test("a fence device that lies never proves anything", () => {
  const world = servingWorld({ policy: "strict" });
  world.bmc.a = "lies";
  world.links.management.a = false;
  world.links.replication.a = false;
  world.run(60_000);
  assert.equal(world.serving("b"), false);
  assert.match(world.state("b").blocked ?? "", /fencing failed/);
  safe(world);
});

test("V10: a STRICT owner whose I/O waits without a vote tells a person", () => {
  const world = servingWorld({ policy: "strict" });
  world.gateway = false;
  world.powerOff("b");
  world.run(20_000);
  const alarms = world.log.filter(
    (line) => line.event === "alert.raised" && line.detail.startsWith("I/O is suspended"),
  );
  assert.equal(alarms.length, 1);
  assert.match(alarms[0]?.detail ?? "", /no vote/);
  safe(world);
});

test("D7: the permission is still there when the start of the lost VMs takes a while", () => {
  const world = servingWorld({ policy: "strict", latencyMs: (kind) => (kind === "recover-peer" ? 8_000 : 50) });
  world.powerOff("b");
  world.until("the lost VM runs on a", () => world.hosts.a.domains.has("vm-b"), 25_000);
  safe(world);
});
