// Sequences that the exhaustive exploration found, one test each.

import assert from "node:assert/strict";
import { test } from "node:test";
import { known } from "../../src/core/model/observation.ts";
import { initialState, type State } from "../../src/core/model/state.ts";
import { step } from "../../src/core/step.ts";
import { servingWorld } from "../sim/world.ts";

test("V6: a release that is rolled back while its record is on the way to the disk is written back in its epoch", () => {
  const before = servingWorld().state("a");
  const now = before.lastTick + 10;
  const { release } = before.config.timers;
  const state: State = {
    ...before,
    persisting: { id: 900, record: { ...before.durable, owner: null }, purpose: "release" },
    activity: {
      kind: "release",
      why: "switch",
      stage: 4,
      pending: [899, 900],
      failed: null,
      startedAt: now - release,
      token: null,
      to: "peer",
      record: null,
      begun: true,
    },
  };
  const { activity } = step(state, { kind: "tick" }, now).state;
  assert.equal(activity?.kind, "activate");
  assert.deepEqual(activity.record, { owner: "a" });
});

test("V6: the epoch of a record that may be on the disk although its write failed is used up", () => {
  const before = servingWorld().state("b");
  const now = before.lastTick + 10;
  const next = before.durable.epoch + 1;
  const failed = { kind: "result", id: 900, ok: false, detail: "made to fail" } as const;
  const writing = (owner: string): State["persisting"] => {
    return { id: 900, record: { ...before.durable, epoch: next, owner }, purpose: "" };
  };
  const takes: State = {
    ...before,
    syncedEpoch: before.durable.epoch,
    persisting: writing("b"),
    activity: {
      kind: "activate",
      why: "the other host released the storage",
      stage: 1,
      pending: [900],
      failed: null,
      startedAt: now,
      token: "token",
      to: "peer",
      record: null,
      begun: true,
    },
  };
  const taken = step(takes, failed, now).state;
  assert.deepEqual([taken.durable.epoch, taken.durable.owner, taken.syncedEpoch], [next, null, next]);

  const owed = [{ requestId: 1, kind: "claim", waitingFor: [900], failed: null } as const];
  const given = step({ ...before, syncedEpoch: null, persisting: writing("a"), owed }, failed, now).state;
  assert.deepEqual([given.durable.epoch, given.durable.owner, given.syncedEpoch], [next, null, null]);

  const other = step({ ...before, persisting: writing("b") }, failed, now).state;
  assert.equal(other.durable.epoch, before.durable.epoch, "a takeover is tried again in its epoch");
});

test("D13: after both hosts stopped themselves, contact makes the owner serve and every VM run on", () => {
  const world = servingWorld();
  world.links.management.a = false;
  world.links.management.b = false;
  world.links.replication.a = false;
  world.gateway = false;
  world.run(9_000);
  assert.equal(world.state("a").softFenced, true);
  assert.equal(world.hosts.a.domains.get("vm-a")?.paused, true);
  world.links.management.a = true;
  world.links.management.b = true;
  world.links.replication.a = true;
  world.gateway = true;
  world.until("storage serves", () => world.serving("a"), 10_000);
  world.until("vm-a runs on", () => world.hosts.a.domains.get("vm-a")?.paused === false, 5_000);
  world.until("vm-b runs on", () => world.hosts.b.domains.get("vm-b")?.paused === false, 5_000);
  assert.deepEqual(world.violations, []);
});

const restarted = (): State => {
  const { config, durable, lastTick } = servingWorld().state("a");
  return initialState(config, durable, "boot", 2, lastTick + 1_000);
};

test("D10: a restarted daemon finds the peer's initiators barred (D16)", () => {
  const state = restarted();
  const value = { running: true, filled: true, portalOpen: true, peerBarred: true };
  const seen = step(state, { kind: "target", target: known(value, state.startedAt) }, state.startedAt).state;
  assert.equal(seen.barred, true);
  const clean = { kind: "target", target: known({ ...value, peerBarred: false }, state.startedAt) } as const;
  assert.equal(step(state, clean, state.startedAt).state.barred, false);
});

test("D10: a restarted daemon finds the soft fence of the one before it, and contact ends it", () => {
  const state = restarted();
  const domains = (paused: boolean) =>
    ({
      kind: "domains",
      domains: known([{ uuid: "vm-a", domId: 1, name: "vm-a", paused }], state.startedAt),
    }) as const;
  assert.equal(step(state, domains(true), state.startedAt).state.softFenced, true);
  assert.equal(step(state, domains(false), state.startedAt).state.softFenced, false);
});

test("D8: a soft-fenced host on which something runs again fences itself again and is not fed meanwhile", () => {
  const world = servingWorld();
  world.links.management.a = false;
  world.links.replication.a = false;
  world.run(7_000);
  const fenced = world.state("a");
  assert.equal(fenced.softFenced, true);
  const runs = known([{ uuid: "vm-a", domId: 1, name: "vm-a", paused: false }], fenced.lastTick);
  const after = step(fenced, { kind: "domains", domains: runs }, fenced.lastTick + 10);
  assert.equal(after.state.activity?.kind, "soft-fence");
  const tick = step(after.state, { kind: "tick" }, fenced.lastTick + 1_200);
  assert.equal(
    tick.actions.some((a) => a.kind === "token"),
    false,
  );
});

test("D16: a readmission that failed is tried again", () => {
  const world = servingWorld({ policy: "strict" });
  world.powerOff("b");
  world.until("the lost VM runs on a", () => world.hosts.a.domains.has("vm-b"), 45_000);
  assert.equal(world.hosts.a.target.barred, true);
  world.fail("a", "target-fill");
  world.powerOn("b");
  world.run(20_000);
  assert.equal(world.hosts.a.target.barred, true);
  world.fail("a", null);
  world.until("b is readmitted", () => !world.hosts.a.target.barred, 120_000);
  assert.deepEqual(world.violations, []);
});
