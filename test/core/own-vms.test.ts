// Spec part 6 in the decision function: when a host may start VMs that ought to run, and what a host that leaves waits for.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ownVmsRefusal } from "../../src/core/decide/own-vms.ts";
import { initialState, type State } from "../../src/core/model/state.ts";
import { servingWorld, type World } from "../sim/world.ts";
import { cut, mend } from "./mutation.ts";

const refusal = (world: World, host: "a" | "b"): string | undefined =>
  ownVmsRefusal(world.state(host), world.state(host).lastTick);
const patched = (world: World, change: Partial<State>): string | undefined =>
  ownVmsRefusal({ ...world.state("a"), ...change }, world.state("a").lastTick);

describe("VMs that ought to run may be started", () => {
  test("by both hosts of a healthy pool, also in manual mode and with fencing switched off (A20)", () => {
    const world = servingWorld();
    assert.deepEqual([refusal(world, "a"), refusal(world, "b")], [undefined, undefined]);
    const { durable, config } = world.state("a");
    assert.equal(patched(world, { durable: { ...durable, flags: { manual: true, maintenance: false } } }), undefined);
    assert.equal(
      patched(world, { durable: { ...durable, peerFlags: { manual: false, maintenance: true } } }),
      undefined,
    );
    assert.equal(patched(world, { config: { ...config, fenceEnabled: false } }), undefined);
  });

  test("not with HA off, in maintenance, soft-fenced, about to stop, or while a lost host's VMs are being started", () => {
    const world = servingWorld();
    const { durable, config } = world.state("a");
    const at = world.state("a").lastTick;
    const running = { phase: "running", id: 1, attempts: 1, at } as const;
    const cases: readonly [Partial<State>, RegExp][] = [
      [{ durable: { ...durable, ha: "off" } }, /HA is off/],
      [{ durable: { ...durable, flags: { manual: false, maintenance: true } } }, /maintenance/],
      [{ softFenced: true }, /D8/],
      [{ stopping: { intent: "paused", phase: "asking", since: at } }, /about to stop/],
      [{ recovery: running }, /lost host/],
      [{ promotion: running }, /lost host/],
      [{ isolated: { phase: "asking", id: 1, domains: [], attempts: 1, at } }, /A22/],
      [{ xapi: initialState(config, durable, "boot", 1, 0).xapi }, /role of this host/],
    ];
    for (const [change, expected] of cases) assert.match(patched(world, change) ?? "nothing", expected);
  });

  test("during an outage only by an owner that nobody can have replaced", () => {
    const world = servingWorld();
    cut(world, "b");
    world.run(1_500);
    assert.equal(refusal(world, "a"), "the other host does not answer");
    world.until("a goes on alone", () => refusal(world, "a") === undefined, 10_000);
    assert.match(refusal(world, "b") ?? "", /does not answer|D8/);
    assert.deepEqual(world.violations, []);
  });

  test("not while two toolstacks call themselves master", () => {
    const world = servingWorld();
    const { peer } = world.state("a");
    assert.ok(peer.body !== null);
    assert.match(patched(world, { peer: { ...peer, body: { ...peer.body, xapi: "master" } } }) ?? "", /both/);
  });
});

describe("a host that leaves (A13)", () => {
  const reply = (world: World) => world.replies.at(-1)?.action;

  test("says that it waits for its protected VMs, and is done when they ended", () => {
    const world = servingWorld();
    world.command("a", { kind: "leave" });
    world.until("b serves", () => world.serving("b"), 10_000);
    world.until("an answer", () => world.replies.length > 0, 20_000);
    assert.match(JSON.stringify(reply(world)), /waiting: 1 protected VMs still run here/);
    world.hosts.a.domains.clear();
    world.command("a", { kind: "leave" });
    world.until("the second answer", () => world.replies.length > 1, 20_000);
    assert.equal(reply(world)?.outcome, "done");
    assert.deepEqual(world.violations, []);
  });

  test("does not wait for VMs that are not protected, and the other host does not miss it for them", () => {
    const world = servingWorld();
    for (const host of ["a", "b"] as const)
      world.sim.feed(world.hosts[host], { kind: "protection", unprotected: ["vm-a"] });
    world.command("a", { kind: "leave" });
    world.until("an answer", () => world.replies.length > 0, 20_000);
    assert.equal(reply(world)?.outcome, "done");
    world.until("b serves", () => world.serving("b"), 10_000);
    assert.equal(world.hosts.a.domains.has("vm-a"), true);
  });

  test("waits for no VM while HA is off: nobody would start it a second time", () => {
    const world = servingWorld();
    world.command("a", { kind: "disable", force: false });
    world.until("HA is off", () => world.state("b").durable.ha === "off", 5_000);
    world.command("a", { kind: "leave" });
    world.until("an answer", () => world.replies.length > 1, 20_000);
    assert.equal(reply(world)?.outcome, "done");
    assert.deepEqual(world.violations, []);
  });

  test("gives the storage to the other host in manual mode too: a shutdown is an operator's word (A20)", () => {
    const world = servingWorld();
    for (const host of ["a", "b"] as const) {
      world.command(host, { kind: "manual", on: true, force: false });
      world.run(1_000);
    }
    world.hosts.a.domains.clear();
    world.command("a", { kind: "leave" });
    world.until("b serves", () => world.serving("b"), 10_000);
    world.until("an answer", () => reply(world)?.outcome === "done", 20_000);
    assert.deepEqual(world.violations, []);
  });
});

test("A22: stalled VMs that are not protected are not asked for", () => {
  const world = servingWorld();
  for (const host of ["a", "b"] as const)
    world.sim.feed(world.hosts[host], { kind: "protection", unprotected: ["vm-b"] });
  world.links.replication.b = false;
  world.run(60_000);
  assert.equal(world.hosts.b.domains.has("vm-b"), true);
  assert.equal(world.hosts.a.domains.has("vm-b"), false);
});

test("A11, A10: an ex-master that was only cut off follows the new master and gets the disks back", () => {
  const world = servingWorld();
  cut(world, "a");
  world.until("b serves and is master", () => world.serving("b") && world.hosts.b.disk.xapi === "master", 60_000);
  world.until("the VM of a runs on b", () => world.hosts.b.domains.get("vm-a")?.paused === false, 60_000);
  assert.equal(world.hosts.b.target.barred, true);
  mend(world, "a");
  world.until("one master", () => world.hosts.a.disk.xapi === "supporter", 30_000);
  world.until("a is readmitted", () => !world.hosts.b.target.barred, 30_000);
  assert.deepEqual(world.violations, []);
});
