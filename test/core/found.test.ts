// Sequences of events that the simulator found and that once broke an invariant, each by hand and without noise.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { State } from "../../src/core/model/state.ts";
import type { Action } from "../../src/core/plan/action.ts";
import { step } from "../../src/core/step.ts";
import { loseConnection } from "../sim/drbd.ts";
import { inject } from "../sim/inject.ts";
import { sideOf } from "../sim/sim.ts";
import { R, servingWorld, type World } from "../sim/world.ts";

function isolate(world: World, yes: boolean): void {
  for (const name of ["a", "b"] as const) world.sim.network.filtered[name] = yes;
}

test("D3: an owner whose disk failed never has the other copy outdated: it is the only whole one", () => {
  const world = servingWorld();
  world.failDisk("a");
  world.links.replication.a = false;
  world.run(10_000);
  assert.equal(sideOf(world.hosts.b, R).disk, "UpToDate");
  assert.equal(world.state("a").durable.solo[R], undefined);
  assert.deepEqual(world.violations, []);
});

test("D14: an owner whose disk failed is shot by the host with the data, not the other way round", () => {
  const world = servingWorld({ policy: "strict" });
  world.failDisk("a");
  isolate(world, true);
  world.until("takeover", () => world.serving("b"), 10_000);
  assert.equal(world.hosts.a.power, false);
  assert.deepEqual(world.violations, []);
});

test("D13: a release that nobody took up is known to both hosts when they meet again", () => {
  for (const policy of ["vote", "strict"] as const) {
    const world = servingWorld({ policy });
    world.command("a", { kind: "switch", storageOnly: true });
    world.until("released", () => world.state("a").durable.owner === null, 1_000);
    isolate(world, true);
    world.run(4_000);
    isolate(world, false);
    world.until("somebody serves", () => world.serving("a") || world.serving("b"), 10_000);
    assert.deepEqual(world.violations, []);
  }
});

test("A9: a cancel that waited for the acquirer's durable write comes too late", () => {
  let slow = false;
  const world = servingWorld({ latencyMs: (kind) => (kind === "persist" && slow ? 4_500 : 40) });
  world.command("a", { kind: "switch", storageOnly: true });
  world.until("offered", () => world.state("a").handover !== null, 2_000);
  slow = true;
  world.until("taken", () => world.serving("b"), 15_000);
  world.run(5_000);
  assert.equal(world.serving("b"), true);
  assert.deepEqual(world.violations, []);
});

test("a release that is rolled back owns the storage anew while the write that gave it up is still in flight", () => {
  let slow = false;
  const world = servingWorld({ latencyMs: (kind) => (kind === "persist" && slow ? 4_000 : 40) });
  world.command("a", { kind: "switch", storageOnly: true });
  world.until("releasing", () => world.state("a").activity?.kind === "release", 1_000);
  slow = true;
  world.run(4_500);
  slow = false;
  world.until("a serves again", () => world.serving("a"), 12_000);
  assert.deepEqual(world.violations, []);
});

test("A4: a host whose prepare was not answered counts the other one as not enabled", () => {
  const world = servingWorld({ policy: "strict", latencyMs: () => 120 });
  world.command("b", { kind: "disable", force: false });
  world.until("a agrees", () => world.state("a").persisting?.record.ha === "leaving", 1_000);
  isolate(world, true);
  world.run(30_000);
  assert.equal(world.state("b").durable.peerHa, "leaving");
  assert.equal(world.hosts.a.power, true);
  assert.deepEqual(world.violations, []);
});

test("A4: a host that was asked to enable HA knows the other one to be enabled only from its own heartbeat", () => {
  const world = servingWorld({ policy: "strict", record: { ha: "off", peerHa: "off" }, latencyMs: () => 120 });
  world.command("a", { kind: "enable", force: false });
  world.until("b agrees", () => world.state("b").persisting?.record.ha === "on", 1_000);
  assert.equal(world.state("b").persisting?.record.peerHa, "off");
  world.until("both know", () => world.state("b").durable.peerHa === "on", 3_000);
});

test("D9, A14: hosts that hear one another in one direction, and notice the loss at different times, never both shoot", () => {
  for (const policy of ["strict", "strict+vote"] as const) {
    for (const deaf of ["a", "b"] as const) {
      for (let lateMs = 0; lateMs <= 1_500; lateMs += 100) {
        const world = servingWorld({ policy });
        world.sim.network.filtered[deaf] = true;
        loseConnection(world.sim, world.hosts.b, R);
        sideOf(world.hosts.a, R).patience = lateMs;
        world.run(20_000);
        assert.ok(world.hosts.a.power || world.hosts.b.power, `${policy}, ${deaf} is not heard, ${lateMs} ms`);
        assert.deepEqual(world.violations, []);
      }
    }
  }
});

test("D10: a daemon that died in the middle of a switch leaves no silence behind", () => {
  const world = servingWorld();
  world.command("a", { kind: "switch", storageOnly: true });
  world.until("silent", () => world.hosts.a.hush === "all", 500);
  world.killDaemon("a");
  world.run(500);
  assert.equal(world.hosts.a.hush, "all");
  world.startDaemon("a");
  world.until("somebody serves", () => world.serving("a") || world.serving("b"), 10_000);
  assert.deepEqual(world.violations, []);
});

test("V6: a release rolled back without contact does not use the epoch of the peer's takeover", () => {
  let slow = false;
  const world = servingWorld({ policy: "strict", latencyMs: (kind) => (kind === "persist" && slow ? 3_200 : 40) });
  world.command("a", { kind: "switch", storageOnly: true });
  world.until("releasing", () => world.state("a").activity?.kind === "release", 1_000);
  slow = true;
  world.run(300);
  world.links.management.a = false;
  world.links.replication.a = false;
  world.run(4_000);
  slow = false;
  world.until("takeover", () => world.serving("b"), 12_000);
  assert.deepEqual(world.violations, []);
});

test("D18, V4: an owner without a disk whose demotion fails serves on through the other copy", () => {
  const world = servingWorld();
  inject(world, { at: 0, kind: "action", host: "a", effect: "demote", fault: "fails", always: true, ms: 300_000 });
  world.failDisk("a");
  world.run(20_000);
  const before = world.acked;
  const lines = world.log.length;
  world.run(30_000);
  assert.ok(world.acked > before + 50, `${world.acked - before} writes`);
  assert.ok(world.log.length - lines < 100, `${world.log.length - lines} lines`);
  assert.deepEqual(world.violations, []);
});

test("A9, V4: an owner without a disk whose offer is refused again and again pauses between the offers", () => {
  const world = servingWorld();
  world.failDisk("a");
  world.failDisk("b");
  const { epoch } = world.state("a").durable;
  world.run(60_000);
  const spent = world.state("a").durable.epoch - epoch;
  assert.ok(spent <= 40, `${spent} epochs in a minute`);
  assert.deepEqual(world.violations, []);
});

test("A15: DRBD is left to lift the suspension itself after its handler was answered, and helped only later", () => {
  const before = servingWorld().state("a");
  const now = before.lastTick + 10;
  if (before.drbd.kind !== "known") assert.fail("DRBD is not known");
  const view = before.drbd.value[R] ?? assert.fail("no such resource");
  const suspended = { ...view, connection: "Connecting" as const, suspended: true };
  const state: State = {
    ...before,
    drbd: { ...before.drbd, value: { ...before.drbd.value, [R]: suspended } },
    drbdConnectedAt: now - 8_000,
    durable: { ...before.durable, solo: { [R]: true } },
    handlers: [{ handler: "waits", resource: R, since: now - 7_000 }],
  };
  const kinds = (actions: readonly Action[]): readonly string[] => actions.map(({ kind }) => kind);
  const first = step(state, { kind: "tick" }, now);
  assert.ok(kinds(first.actions).includes("answer-handler"));
  assert.ok(!kinds(first.actions).includes("resume-io"), "two generations begin");
  const soon = step({ ...first.state, lastTick: now + 1_890 }, { kind: "tick" }, now + 1_900);
  assert.ok(!kinds(soon.actions).includes("resume-io"));
  const later = step({ ...soon.state, lastTick: now + 2_090 }, { kind: "tick" }, now + 2_100);
  assert.ok(kinds(later.actions).includes("resume-io"), "an orphan is still resumed");
});
