// FENCE_ENABLED=0 (seed 000, "Auto-Start VMs – Without Host High Availability"): VMs start at boot and after a failure, on
// their own host; nobody fences, takes over or makes room, whatever becomes of the other host.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ownVmsRefusal } from "../../src/core/decide/own-vms.ts";
import { explain } from "../../src/core/explain.ts";
import { planOf, runPlan, SIMULATED_POLICIES } from "../sim/schedule.ts";
import { R, servingWorld, type World, type WorldOptions } from "../sim/world.ts";
import { cut, mend } from "./mutation.ts";

const NO_HOST_HA = { fenceEnabled: false, heuristics: [], minHosts: 3, mayTakeOver: false, mayRestart: false };

const profile = (options: WorldOptions = {}): World => servingWorld({ ...options, config: NO_HOST_HA });

const acted = (world: World): readonly string[] =>
  world.log.flatMap(({ event }) =>
    /^(fence\.|self-fence|storage\.activating|vm\.starting)/.test(event) ? [event] : [],
  );

describe("without host HA", () => {
  test("HA is enabled without heuristic addresses, and not once a lost host is to be acted on (A3)", () => {
    for (const [fenceEnabled, outcome] of [
      [false, "done"],
      [true, "refused"],
    ] as const) {
      const off = { ha: "off", peerHa: "off" } as const;
      const world = servingWorld({ config: { ...NO_HOST_HA, fenceEnabled }, record: off });
      world.command("a", { kind: "enable", force: false });
      world.run(5_000);
      assert.equal(world.replies.at(-1)?.action.outcome, outcome);
      assert.equal(world.state("b").durable.ha, fenceEnabled ? "off" : "on");
      assert.deepEqual(world.violations, []);
    }
  });

  for (const policy of SIMULATED_POLICIES) {
    test(`${policy}: the owner goes on at once when the other host dies, and starts nothing of it`, () => {
      const world = profile({ policy });
      const told = acted(world).length;
      world.powerOff("b");
      const before = world.acked;
      const stalled = world.until("I/O goes on", () => world.acked > before + 20, 5_000);
      assert.ok(stalled <= 4_000, `stalled ${stalled} ms`);
      world.run(60_000);
      assert.equal(ownVmsRefusal(world.state("a"), world.state("a").lastTick), undefined, "its own VMs are restarted");
      assert.equal(world.hosts.a.domains.has("vm-b"), false);
      assert.equal(acted(world).length, told);
      world.powerOn("b");
      world.until("both copies agree", () => world.state("a").durable.solo[R] === false, 60_000);
      assert.deepEqual(world.violations, []);
    });

    test(`${policy}: the owner dies: nothing is taken over, and with it the storage is back`, () => {
      const world = profile({ policy });
      world.powerOff("a");
      world.run(60_000);
      assert.equal(world.serving("b"), false);
      assert.equal(world.hosts.b.domains.get("vm-b")?.paused, false, "the other host's VMs stall, nothing pauses them");
      assert.equal(world.hosts.b.power, true);
      world.powerOn("a");
      world.until("storage serves", () => world.serving("a"), 60_000);
      assert.deepEqual(world.violations, []);
    });
  }

  for (const policy of ["vote", "witness"] as const)
    test(`${policy}: a daemon that starts anew as the other host dies holds the I/O, and says what lets it go on`, () => {
      const world = profile({ policy });
      world.killDaemon("a");
      world.powerOff("b");
      world.run(300);
      world.startDaemon("a");
      world.run(60_000);
      assert.equal(world.serving("a"), false);
      const state = world.state("a");
      const told = [
        ...explain(state, state.lastTick).map(({ sentence }) => sentence),
        ...world.log.flatMap(({ event, detail }) => (event === "alert.raised" ? [detail] : [])),
      ];
      assert.equal(told.filter((text) => text.includes("iscsi-cfg confirm-peer-off")).length, 2, told.join("\n"));
      world.command("a", { kind: "confirm-peer-off" });
      world.until("I/O goes on", () => world.serving("a"), 5_000);
      assert.deepEqual(world.violations, []);
    });

  test("a host that is cut off keeps its VMs and its power: nobody acts in its place", () => {
    for (const host of ["a", "b"] as const) {
      const world = profile();
      cut(world, host);
      world.run(60_000);
      assert.equal(world.hosts[host].domains.get(`vm-${host}`)?.paused, false);
      assert.deepEqual([world.hosts.a.power, world.hosts.b.power], [true, true]);
      assert.equal(world.serving("a"), true);
      mend(world, host);
      world.run(10_000);
      assert.equal(world.serving("a"), true);
      assert.deepEqual(world.violations, []);
    }
  });

  test("a host that heard another configuration of the other one makes room as ever (I-f)", () => {
    const world = servingWorld({ config: { heuristics: [] } });
    world.configure("b", { ...NO_HOST_HA, cfgHash: "other" });
    world.run(2_000);
    cut(world, "b");
    world.run(8_000);
    assert.equal(world.state("b").softFenced, true);
    assert.deepEqual(world.violations, []);
  });

  test("no invariant breaks under the faults of random schedules, those that H1 excludes included", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const options = { policies: SIMULATED_POLICIES, long: false, violateH1: true, config: NO_HOST_HA };
      const { violations } = runPlan(planOf(seed, options), options);
      assert.deepEqual(violations, [], `seed ${seed}`);
    }
  });
});
