// What a host of a larger pool says about itself and about lost hosts, and when it may start VMs that fell down.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Explanation } from "../../../src/core/explain.ts";
import { explainPool } from "../../../src/core/pool/explain.ts";
import { ownVmsRefusal } from "../../../src/core/pool/own-vms.ts";
import type { PoolCommand, PoolState } from "../../../src/core/pool/model.ts";
import { poolStep } from "../../../src/core/pool/step.ts";
import { World, type WorldOptions } from "./world.ts";

const started = (options: Partial<WorldOptions> = {}): World => {
  const world = new World({ hosts: 5, storage: true, ...options });
  world.run(10_000);
  return world;
};
const says = (world: World, n: number): readonly Explanation[] => {
  const host = world.host(n);
  return explainPool(host.state, world.local(host), (id) => `xcp${Number(id.slice(1))}`);
};
const lines = (world: World, n: number): string =>
  says(world, n)
    .map(({ rule, sentence }) => `${rule} ${sentence}`)
    .join("\n");
const mayStart = (world: World, n: number): string | undefined =>
  ownVmsRefusal(world.host(n).state, world.local(world.host(n)));

describe("explain in a pool of five", () => {
  test("says nothing on any host while all is well", () => {
    const world = started();
    for (let n = 1; n <= 5; n += 1) assert.equal(lines(world, n), "");
  });

  test("the leader names a lost host, whom it waits for and for how long, and what became of it", () => {
    const world = started();
    world.powerOff(4);
    world.run(2_000);
    assert.match(lines(world, 1), /^D7 xcp4 is silent for \d s: it may answer yet$/);
    world.run(6_000);
    const [waits] = says(world, 1);
    assert.match(waits?.sentence ?? "", /xcp4 is silent for 8 s: its VMs wait: its lease and watchdog run for another/);
    assert.ok((waits?.remainingMs ?? 0) > 3_000 && (waits?.remainingMs ?? 0) <= 13_000, String(waits?.remainingMs));
    world.run(30_000);
    assert.match(lines(world, 1), /^D7 xcp4 is silent for 38 s: its VMs were started elsewhere$/);
    assert.equal(lines(world, 3), "", "a member leaves that to the leader");
  });

  test("under STRICT it says what the fence device failed with, and that nothing happens without proof", () => {
    const world = started({ policy: "strict" });
    world.host(4).fenceWorks = false;
    world.powerOff(4);
    world.run(120_000);
    assert.match(
      lines(world, 1),
      /^D14 xcp4 is silent for 120 s: it is not powered off: fencing failed 3 times: failed$/,
    );
  });

  test("a host that is cut off says how long its VMs run on, then that they stand still, then why it comes back empty", () => {
    const world = started();
    world.isolate(4);
    world.run(3_500);
    const [first] = says(world, 4);
    assert.match(first?.sentence ?? "", /this host pauses its VMs/);
    assert.ok((first?.remainingMs ?? 0) > 0 && (first?.remainingMs ?? 0) < 5_000);
    assert.match(lines(world, 4), /D17 nobody leads the pool \(1 of 5 hosts answer\)/);
    world.run(5_000);
    assert.match(lines(world, 4), /^D8 this host paused its VMs/);
    assert.match(mayStart(world, 4) ?? "", /D8/);
    world.run(30_000);
    world.heal();
    world.run(1_000);
    assert.match(`${lines(world, 1)}${lines(world, 4)}`, /D16/);
    world.run(20_000);
    assert.equal(lines(world, 4), "");
  });

  test("a pool that elects says that nobody leads, and why", () => {
    const world = started({ storage: false });
    for (const n of [1, 2, 3]) world.powerOff(n);
    world.run(6_000);
    assert.match(lines(world, 4), /D6 nobody leads the pool: 2 of 5 hosts answer, a majority is needed/);
  });

  test("HA off, maintenance and another configuration are said, and nobody is told to act on them", () => {
    const world = started();
    const host = world.host(4);
    const bend = (change: Partial<PoolState>): string =>
      explainPool({ ...host.state, ...change }, world.local(host), (id) => id)
        .map(({ sentence }) => sentence)
        .join("\n");
    const { durable, config } = host.state;
    assert.match(bend({ durable: { ...durable, ha: "off" } }), /HA is off/);
    assert.match(bend({ durable: { ...durable, flags: { manual: false, maintenance: true } } }), /maintenance/);
    assert.match(bend({ config: { ...config, cfgHash: "other" } }), /different configurations/);
    assert.match(bend({ departure: { intent: "paused", commandId: 1, since: 0, agreed: false } }), /majority/);
  });
});

describe("VMs that fell down", () => {
  test("may be started by the leader, and by members that it counts among the living", () => {
    for (const storage of [true, false]) {
      const world = started({ storage });
      assert.equal(mayStart(world, 1), undefined);
      assert.equal(mayStart(world, 4), undefined);
    }
  });

  test("not with HA off, in maintenance, by a host that leaves, and not while a lost host's VMs are being started", () => {
    const world = started();
    const { state } = world.host(1);
    const now = world.local(world.host(1));
    const [id, other] = Object.entries(state.neighbours)[0] ?? [];
    assert.ok(id !== undefined && other !== undefined);
    const running = { phase: "running", id: 1, attempts: 1, at: now } as const;
    const cases: readonly [Partial<PoolState>, RegExp][] = [
      [{ durable: { ...state.durable, ha: "off" } }, /HA is off/],
      [{ durable: { ...state.durable, flags: { manual: false, maintenance: true } } }, /maintenance/],
      [{ departure: { intent: "leaving", commandId: 1, since: now, agreed: false } }, /about to stop/],
      [{ dead: [state.config.hostId] }, /D16/],
      [{ promotion: running }, /lost host/],
      [{ neighbours: { ...state.neighbours, [id]: { ...other, recovery: running } } }, /lost host/],
    ];
    for (const [change, expected] of cases) assert.match(ownVmsRefusal({ ...state, ...change }, now) ?? "", expected);
  });

  test("not by a member that hears no leader", () => {
    const world = started();
    world.isolate(4);
    world.run(2_500);
    assert.match(mayStart(world, 4) ?? "", /does not answer/);
  });
});

describe("HA of a pool that elects its leader", () => {
  const command = (world: World, body: PoolCommand): string => {
    const host = world.host(1);
    const { actions } = poolStep(host.state, { kind: "command", id: 7, command: body }, world.local(host));
    const reply = actions.find((one) => one.kind === "command-reply");
    return reply === undefined ? "none" : `${reply.outcome}: ${reply.text}`;
  };

  test("is enabled only while every host answers with the same configuration (I-f)", () => {
    const world = started({ storage: false });
    assert.match(command(world, { kind: "enable", force: false }), /^done/);
    world.powerOff(5);
    world.run(5_000);
    assert.match(command(world, { kind: "enable", force: false }), /^refused: 1 of 5 hosts do not answer/);
    assert.match(command(world, { kind: "enable", force: true }), /^done/);
    const host = world.host(1);
    host.state = { ...host.state, config: { ...host.state.config, cfgHash: "other" } };
    assert.match(command(world, { kind: "enable", force: false }), /4 hosts have other timers/);
  });

  test("with FENCE_ENABLED=0 nobody is declared dead and nobody makes room", () => {
    const world = new World({ hosts: 5, storage: false, config: { fenceEnabled: false } });
    world.run(10_000);
    world.isolate(4);
    world.run(60_000);
    assert.deepEqual([...world.host(4).vms.values()], [false, false], "its VMs run on");
    assert.deepEqual(world.did("recover-host"), []);
    assert.match(lines(world, 1), /FENCE_ENABLED is 0/);
  });
});
