// Sequences that later reviews found: what a restarted daemon forgot, what was never told or tried again.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DrbdView } from "../../src/core/model/drbd.ts";
import { known, unknown, valueOf } from "../../src/core/model/observation.ts";
import { YIELD_MS } from "../../src/core/decide/yield.ts";
import type { State } from "../../src/core/model/state.ts";
import type { Action } from "../../src/core/plan/action.ts";
import { step } from "../../src/core/step.ts";
import { R, servingWorld, type World } from "../sim/world.ts";
import { cut, mend } from "./mutation.ts";

const told = (world: World, event: string, text: RegExp): number =>
  world.log.filter((l) => l.event === event && text.test(l.detail)).length;

/** The daemon of the owner dies in the outage that its dead peer began, and comes back when the last contact is long over. */
function restartedInOutage(options: Parameters<typeof servingWorld>[0]): World {
  const world = servingWorld(options);
  world.powerOff("b");
  world.run(500);
  world.killDaemon("a");
  world.run(4_000);
  world.startDaemon("a");
  return world;
}

test("D14: a STRICT owner whose daemon was restarted in the outage powers its dead peer off and goes on", () => {
  const world = restartedInOutage({ policy: "strict" });
  world.run(5_000);
  const before = world.acked;
  world.until("I/O goes on", () => world.acked > before + 5, 40_000);
  world.until("the lost VM runs here", () => world.hosts.a.domains.has("vm-b"), 60_000);
  assert.equal(world.state("a").durable.solo[R], true);
  assert.deepEqual(world.violations, []);
});

test("D4: under VOTE a restarted owner does not take the time since its own start for the outage", () => {
  const world = restartedInOutage({ policy: "vote" });
  world.run(30_000);
  assert.notEqual(world.state("a").durable.solo[R], true);
  assert.deepEqual(world.violations, []);
});

test("D12: a STRICT owner that was off itself fences nobody: it may have been replaced", () => {
  const world = servingWorld({ policy: "strict" });
  world.powerOff("a");
  world.until("b serves", () => world.serving("b"), 40_000);
  cut(world, "b");
  world.powerOn("a");
  world.run(60_000);
  assert.equal(world.hosts.b.power, true);
  assert.deepEqual(world.violations, []);
});

test("D14: a peer that lives, and whose daemon alone is silent, is not powered off by a restarted owner", () => {
  const world = servingWorld({ policy: "strict", config: { watchdogUsed: false } });
  world.killDaemon("b");
  world.killDaemon("a");
  world.links.replication.b = false;
  world.run(4_000);
  world.startDaemon("a");
  world.run(60_000);
  assert.equal(world.hosts.b.power, true);
  assert.deepEqual(world.violations, []);
});

test("V14: of two hosts that lost one another while the owner's daemon was restarted one stays on", () => {
  for (let ms = 0; ms <= 12_000; ms += 500) {
    const world = servingWorld({ policy: "strict" });
    for (const host of ["a", "b"] as const) world.sim.network.filtered[host] = true;
    world.run(500);
    world.killDaemon("a");
    world.run(ms);
    world.startDaemon("a");
    world.run(60_000);
    assert.equal(world.hosts.a.power || world.hosts.b.power, true, `restarted after ${ms} ms`);
    assert.deepEqual(world.violations, [], `restarted after ${ms} ms`);
  }
});

test("D3: a connection that was given up for an outdate which then failed is taken up again", () => {
  const world = servingWorld();
  const { b } = world.hosts;
  const before = world.state("b");
  const now = before.lastTick + 10;
  const request = { kind: "outdate", resource: R, epoch: before.durable.epoch } as const;
  const asked = step(before, { kind: "request", id: 77, request }, now);
  const order = asked.actions.find((a) => a.kind === "outdate");
  assert.ok(order !== undefined);
  const view = before.drbd.kind === "known" ? before.drbd.value[R] : undefined;
  assert.ok(view !== undefined && b.power);
  const standAlone = { ...view, connection: "StandAlone", replication: "Off", peerDisk: "DUnknown" } as const;
  const given = step(asked.state, { kind: "drbd", views: known({ [R]: standAlone }, now) }, now + 5);
  const connects = (actions: readonly Action[]): boolean => actions.some((a) => a.kind === "drbd-connect");
  assert.equal(connects(given.actions), false, "the outdate may still come");
  const failed = step(given.state, { kind: "result", id: order.id, ok: false, detail: "no answer" }, now + 10);
  assert.equal(connects(failed.actions), true);
});

test("a copy that nobody connects is told of, once, and that it is connected again", () => {
  const before = servingWorld().state("b");
  const view = before.drbd.kind === "known" ? before.drbd.value[R] : undefined;
  assert.ok(view !== undefined);
  const apart = known({ [R]: { ...view, connection: "StandAlone" as const, replication: "Off" as const } }, 0);
  let now = before.lastTick + 10;
  let { state, actions } = step(before, { kind: "drbd", views: apart }, now);
  const alarms: Action[] = [];
  for (let i = 0; i < 45; i++) {
    now += 1_000;
    ({ state, actions } = step(state, { kind: "tick" }, now));
    alarms.push(...actions);
  }
  assert.deepEqual(
    alarmsOf(alarms, "alert").filter((id) => id === "drbd-apart"),
    ["drbd-apart"],
  );
  const mended = step(state, { kind: "drbd", views: before.drbd }, now + 10);
  assert.deepEqual(alarmsOf(mended.actions, "alert-over").includes("drbd-apart"), true);
});

test("become-secondary outlives the daemon that was told it", () => {
  const world = servingWorld();
  for (const host of ["a", "b"] as const) world.command(host, { kind: "manual", on: true, force: false });
  world.run(1_000);
  world.command("a", { kind: "become-secondary" });
  world.run(500);
  assert.equal(world.replies.at(-1)?.action.outcome, "done");
  world.killDaemon("a");
  world.run(500);
  world.startDaemon("a");
  world.run(2_000);
  assert.equal(world.serving("a"), true);
  world.run(YIELD_MS);
  assert.deepEqual([world.serving("a"), world.state("a").durable.owner], [false, null]);
  assert.equal(world.state("a").durable.yields, false);
  world.command("b", { kind: "become-primary", force: false });
  world.until("b serves", () => world.serving("b"), 3_000);
  assert.deepEqual(world.violations, []);
});

test("V7: an order to fence that has not begun is withdrawn when the other host answers again", () => {
  const world = servingWorld({ policy: "strict", latencyMs: (kind) => (kind === "fence" ? 2_000 : undefined) });
  cut(world, "b");
  world.until("a orders the fence", () => world.state("a").fence.pending !== null, 10_000);
  world.run(500);
  mend(world, "b");
  world.run(20_000);
  assert.equal(world.hosts.b.power, true);
  assert.equal(world.serving("a"), true);
  assert.deepEqual(world.violations, []);
});

test("D8: a soft fence that does not come through is tried again twice a second, not with every tick", () => {
  const world = servingWorld({ config: { watchdogUsed: false } });
  world.fail("a", "pause-domains");
  cut(world, "a");
  world.run(7_000);
  const tries = (state: State): number => state.selfFencing?.tries ?? 0;
  const before = { tries: tries(world.state("a")), lines: told(world, "self-fence.begun", /./) };
  world.run(5_000);
  const more = tries(world.state("a")) - before.tries;
  assert.ok(more >= 5 && more <= 11, `${more} tries in 5 s`);
  assert.ok(told(world, "self-fence.begun", /./) - before.lines <= 2);
  world.fail("a", null);
  world.until("fenced", () => world.state("a").softFenced, 2_000);
});

const alarmsOf = (actions: readonly Action[], kind: "alert" | "alert-over"): readonly string[] =>
  actions.flatMap((action) => (action.kind === kind ? [action.id] : []));

test("alarms about fencing, split brain and the floating IP end when their cause is over, once", () => {
  const before = servingWorld({ policy: "strict" }).state("a");
  const now = before.lastTick + 10;
  for (const [id, blocked] of [
    ["fencing", "fencing failed 3 times (no answer)"],
    ["split-brain", "split brain: both hosts own the storage in epoch 3"],
    ["vip-conflict", "the floating IP is answered by 00:11:22:33:44:55"],
    ["flapping", "the storage moved 2 times by itself within an hour (D15)"],
  ] as const) {
    const open: State = { ...before, alarms: [id] };
    // While something is under way nothing else is decided, and what blocks stays.
    const still = step({ ...open, blocked, activity: standingDown(now) }, { kind: "tick" }, now);
    if (still.state.blocked !== null) assert.deepEqual(alarmsOf(still.actions, "alert-over"), []);
    const over = step(open, { kind: "tick" }, now);
    assert.deepEqual(alarmsOf(over.actions, "alert-over"), [id]);
    assert.deepEqual(alarmsOf(step(over.state, { kind: "tick" }, now + 50).actions, "alert-over"), []);
  }
});

const standingDown = (now: number): NonNullable<State["activity"]> => ({
  kind: "stand-down",
  why: "",
  stage: 0,
  pending: [1],
  failed: null,
  startedAt: now,
  token: null,
  to: "nobody",
  record: null,
  begun: true,
});

test("what is not known ends no alarm", () => {
  const before = servingWorld().state("a");
  const now = before.lastTick + 10;
  const open: State = { ...before, alarms: ["io-suspended"] };
  const blind = step(open, { kind: "drbd", views: unknown("the event stream ended", now) }, now);
  assert.deepEqual(alarmsOf(blind.actions, "alert-over"), []);
  const seen = step(blind.state, { kind: "drbd", views: before.drbd }, now + 10);
  assert.deepEqual(alarmsOf(seen.actions, "alert-over"), ["io-suspended"]);
});

test("D14: an alarm about a fence device that failed ends with contact", () => {
  const world = servingWorld({ policy: "strict" });
  world.bmc.b = "dead";
  cut(world, "b");
  world.run(60_000);
  assert.equal(told(world, "alert.raised", /could not be powered off/), 1);
  mend(world, "b");
  world.run(5_000);
  assert.equal(told(world, "alert.cleared", /fencing/), 1);
});

test("D11: when one of two owners gives the storage up the other one serves, and the alarm is over", () => {
  const world = servingWorld();
  const state = world.state("a");
  const { body } = state.peer;
  assert.ok(body !== null);
  const now = state.lastTick + 10;
  const heard = (owner: string | null) =>
    ({
      kind: "heartbeat",
      heard: {
        link: "management",
        body: { ...body, owner },
        echoSentAt: now,
        linkEchoSentAt: now,
        receivedAt: now,
      },
    }) as const;
  const split = step(state, heard("b"), now);
  assert.match(split.state.blocked ?? "", /^split brain/);
  assert.deepEqual(alarmsOf(split.actions, "alert"), ["split-brain"]);
  const over = step(split.state, heard(null), now + 10);
  assert.equal(over.state.blocked, null);
  assert.deepEqual(alarmsOf(over.actions, "alert-over"), ["split-brain"]);
});

test("A2: `solo` stays on record while an order to resume I/O may still come through", () => {
  const before = servingWorld().state("a");
  const now = before.lastTick + 10;
  const resuming = { [`resume ${R}`]: { id: -1, at: now - 5_000, failures: 1 } };
  const hung: State = { ...before, durable: { ...before.durable, solo: { [R]: true } }, repairs: resuming };
  const first = step(hung, { kind: "tick" }, now);
  const order = first.actions.find((a) => a.kind === "resume-io");
  assert.ok(order !== undefined, "it is repeated, with the proof still in place");
  assert.equal(first.state.persisting, null);
  const done = step(first.state, { kind: "result", id: order.id, ok: true, detail: "" }, now + 10);
  assert.equal(done.state.persisting?.record.solo[R], false);
});

test("D8: an owner that stopped itself serves again when an operator confirms that the other host is off", () => {
  for (const policy of ["vote", "strict+vote"] as const) {
    const world = servingWorld({ policy });
    world.gateway = false;
    world.powerOff("b");
    world.until("a is soft-fenced", () => world.state("a").softFenced, 20_000);
    world.command("a", { kind: "confirm-peer-off" });
    world.until("a serves", () => world.serving("a"), 10_000);
    world.until("its VM runs on", () => world.hosts.a.domains.get("vm-a")?.paused === false, 5_000);
    assert.deepEqual(world.violations, []);
  }
});

test("A19: the one host that comes back after both were off serves by an operator's word, owner or not", () => {
  for (const host of ["a", "b"] as const) {
    const world = servingWorld();
    world.powerOff("a");
    world.powerOff("b");
    world.powerOn(host);
    world.run(10_000);
    const ask = (command: Parameters<World["command"]>[1]): string => {
      world.command(host, command);
      world.run(5_000);
      return world.replies.at(-1)?.action.outcome ?? "";
    };
    assert.equal(ask({ kind: "manual", on: true, force: false }), "done");
    assert.equal(ask({ kind: "become-primary", force: true }), "refused");
    assert.equal(ask({ kind: "confirm-peer-off" }), "done");
    assert.equal(ask({ kind: "become-primary", force: false }), "refused");
    assert.equal(world.serving(host), false);
    assert.equal(ask({ kind: "become-primary", force: true }), "done");
    assert.equal(world.serving(host), true);
    assert.deepEqual(world.violations, []);
  }
});

test("a durable record that cannot be written is tried four times a second, and told of once", () => {
  const world = servingWorld();
  world.fail("a", "persist");
  world.command("a", { kind: "disable", force: false });
  world.run(4_000);
  assert.equal(told(world, "action.failed", /durable record/), 1);
  const writes = world.log.filter((l) => l.host === "a" && l.event === "fault" && /persist/.test(l.detail)).length;
  assert.ok(writes >= 8 && writes <= 16, `${writes} writes in 4 s`);
  world.run(4_000);
  assert.equal(world.replies.at(-1)?.action.outcome, "failed");
  world.fail("a", null);
  world.command("a", { kind: "disable", force: false });
  world.run(3_000);
  assert.equal(world.state("a").durable.ha, "off");
  assert.deepEqual(world.violations, []);
});

test("D13: the other toolstack is told to follow, and has half a minute to restart before it is told again", () => {
  const before = servingWorld().state("a");
  const { body } = before.peer;
  assert.ok(body !== null);
  let state: State = { ...before, peer: { ...before.peer, body: { ...body, xapi: "master" } } };
  let orders = 0;
  for (let now = before.lastTick + 50; now < before.lastTick + 900; now += 50) {
    const next = step(state, { kind: "tick" }, now);
    const order = next.actions.find((a) => a.kind === "recover-supporters");
    ({ state } = next);
    if (order === undefined) continue;
    orders += 1;
    ({ state } = step(state, { kind: "result", id: order.id, ok: true, detail: "" }, now + 5));
  }
  assert.equal(orders, 1);
});

test("A2: a host whose record was lost outdates nothing while DRBD calls the other copy outdated", () => {
  const standby = servingWorld().state("b");
  const view = valueOf(standby.drbd)?.[R];
  assert.ok(view !== undefined);
  const answer = (patch: Partial<DrbdView>): string => {
    const state = { ...standby, drbd: known({ [R]: { ...view, ...patch } }, standby.lastTick) };
    const request = { kind: "outdate", resource: R, epoch: state.durable.epoch } as const;
    const { actions } = step(state, { kind: "request", id: 78, request }, state.lastTick + 1);
    const refused = actions.find((a) => a.kind === "answer" && a.id === 78 && a.reply.kind === "refused");
    if (refused !== undefined) return "refused";
    return actions.some((a) => a.kind === "outdate") ? "outdates" : "neither";
  };
  const lost = { connection: "Connecting", disk: "UpToDate" } as const;
  assert.equal(answer({ ...lost, peerDisk: "Outdated" }), "refused");
  assert.equal(answer({ ...lost, peerDisk: "DUnknown" }), "outdates");
});

test("A13: a host that left with nothing running is not declared dead while it may still come back", () => {
  const world = servingWorld();
  world.hosts.a.domains.clear();
  world.run(15_000);
  world.command("a", { kind: "leave" });
  world.run(8_000);
  world.powerOff("a");
  world.run(60_000);
  assert.equal(world.serving("b"), true);
  assert.equal(told(world, "vm.starting", /D7/), 0);
  world.run(world.state("b").config.timers.leave);
  assert.equal(told(world, "vm.starting", /D7/), 1, "it did not come back in time");
  assert.deepEqual(world.violations, []);
});

test("D3: while the tool that outdates hangs, questions do not pile up, and each gets one answer", () => {
  const before = servingWorld().state("b");
  const request = { kind: "outdate", resource: R, epoch: before.durable.epoch } as const;
  let now = before.lastTick + 10;
  let { state, actions } = step(before, { kind: "request", id: 1, request }, now);
  const order = actions.find((a) => a.kind === "outdate");
  assert.ok(order !== undefined);
  const answered: number[] = [];
  const note = (more: readonly Action[]): void =>
    void answered.push(...more.flatMap((a) => (a.kind === "answer" ? [a.id] : [])));
  for (let id = 2; id <= 40; id++) {
    now += 1_000;
    ({ state, actions } = step(state, { kind: "request", id, request }, now));
    note(actions);
    assert.ok(state.owed.length <= 16);
  }
  note(step(state, { kind: "result", id: order.id, ok: true, detail: "" }, now + 10).actions);
  assert.deepEqual(
    answered,
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
});

test("a host that does not serve gives back a device that a filling ended half-way left open", () => {
  const state = servingWorld().state("b");
  const now = state.lastTick + 10;
  const orders = (holds: boolean): readonly string[] => {
    const value = { running: true, filled: false, portalOpen: false, holds };
    return step(state, { kind: "target", target: known(value, now) }, now).actions.map((a) => a.kind);
  };
  assert.ok(orders(true).includes("target-withdraw"));
  assert.ok(!orders(false).includes("target-withdraw"));
});

test("a bring-up that ended between the disk and the connection is finished; a resource that came up is left alone", () => {
  const before = servingWorld().state("b");
  const view = before.drbd.kind === "known" ? before.drbd.value[R] : undefined;
  assert.ok(view !== undefined);
  let now = before.lastTick + 10;
  const alone = known({ [R]: { ...view, connection: "StandAlone" as const, replication: "Off" as const } }, now);
  const connects = (actions: readonly Action[]): boolean => actions.some((a) => a.kind === "drbd-connect");
  assert.equal(connects(step(before, { kind: "drbd", views: alone }, now).actions), false, "an operator's wish");

  const down = step(before, { kind: "drbd", views: known({}, now) }, now);
  const order = down.actions.find((a) => a.kind === "drbd-up");
  assert.ok(order !== undefined);
  const attached = step(down.state, { kind: "drbd", views: alone }, now + 5);
  assert.equal(connects(attached.actions), false, "it is still on its way");
  const failed = step(attached.state, { kind: "result", id: order.id, ok: false, detail: "5 seconds" }, now + 10);
  assert.equal(connects(failed.actions), true);

  now += 1_000;
  const connected = step(failed.state, { kind: "drbd", views: before.drbd }, now);
  const later = step(connected.state, { kind: "drbd", views: alone }, now + 60_000);
  assert.equal(connects(later.actions), false, "from then on StandAlone is DRBD's own word");
});
