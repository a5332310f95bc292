// A split brain is ended by a person (D11): what both hosts look at before a copy is given up, and in which order it happens.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DrbdView, Generation } from "../../src/core/model/drbd.ts";
import type { Event } from "../../src/core/model/event.ts";
import { known, valueOf } from "../../src/core/model/observation.ts";
import type { HeartbeatBody, ResourceSummary } from "../../src/core/model/peer.ts";
import type { State } from "../../src/core/model/state.ts";
import type { Action } from "../../src/core/plan/action.ts";
import { step } from "../../src/core/step.ts";
import { inject } from "../sim/inject.ts";
import { sideOf } from "../sim/sim.ts";
import { R, servingWorld, startVm, type HostName, type World } from "../sim/world.ts";

const PAST = "AAAA000000000000";
const generation = (current: string): Generation => ({ current, bitmap: PAST, history: [] });
const MINE = generation("1111000000000000");
const THEIRS = generation("2222000000000000");

/** Both copies grew apart, nobody serves; `host` still owns the storage on record. */
function split(host: "a" | "b", view: Partial<DrbdView> = {}, body: Partial<HeartbeatBody> = {}): State {
  const state = servingWorld().state(host);
  const seen = valueOf(state.drbd)?.["iscsi1"];
  const heard = state.peer.body;
  const theirs = heard?.resources["iscsi1"];
  assert.ok(seen !== undefined && heard !== null && theirs !== undefined);
  const mine: DrbdView = {
    ...seen,
    role: "Secondary",
    connection: "StandAlone",
    replication: "Off",
    peerDisk: "DUnknown",
    generation: MINE,
    ...view,
  };
  return {
    ...state,
    drbd: known({ iscsi1: mine }, state.lastTick),
    target: known({ running: false, filled: false, portalOpen: false }, state.lastTick),
    vip: known("absent", state.lastTick),
    blocked: "split brain of the data: iscsi1",
    peer: {
      ...state.peer,
      body: {
        ...heard,
        serving: false,
        resources: { iscsi1: { ...theirs, role: "Secondary", generation: THEIRS } },
        ...body,
      },
    },
  };
}

function theirCopy(patch: Partial<ResourceSummary>): HeartbeatBody["resources"] {
  const theirs = split("a").peer.body?.resources["iscsi1"];
  assert.ok(theirs);
  return { iscsi1: { ...theirs, ...patch } };
}

const at = (state: State, event: Event): ReturnType<typeof step> => step(state, event, state.lastTick + 1);
const resolve: Event = { kind: "command", id: 7, command: { kind: "resolve-split-brain", snapshot: true } };
const request = (state: State, epoch = state.durable.epoch): Event => ({
  kind: "request",
  id: 9,
  request: { kind: "discard", resources: ["iscsi1"], epoch, snapshot: true },
});

const find = <K extends Action["kind"]>(actions: readonly Action[], kind: K) =>
  actions.find((action): action is Action & { kind: K } => action.kind === kind);

describe("on the host whose data stays", () => {
  test("the other host is asked first, and only its yes connects this one", () => {
    const before = split("a");
    const asked = at(before, resolve);
    const ask = find(asked.actions, "ask");
    assert.deepEqual(ask?.request, {
      kind: "discard",
      resources: ["iscsi1"],
      epoch: before.durable.epoch,
      snapshot: true,
    });
    assert.equal(find(asked.actions, "drbd-connect"), undefined);
    const said = { kind: "done", said: "the old data is kept as /dev/vg/lv-before-x" } as const;
    const agreed = at(asked.state, { kind: "reply", id: ask.id, reply: said });
    assert.equal(find(agreed.actions, "drbd-connect")?.resource, "iscsi1");
    const view = valueOf(agreed.state.drbd)?.["iscsi1"];
    assert.ok(view);
    const connected = known({ iscsi1: { ...view, connection: "Connected" as const } }, agreed.state.lastTick);
    const ended = find(at(agreed.state, { kind: "drbd", views: connected }).actions, "command-reply");
    assert.equal(ended?.outcome, "done");
    assert.match(ended.text, /kept as \/dev\/vg\/lv-before-x/);
  });

  test("a copy that was outdated is strange to DRBD all the same: it can be given up", () => {
    const outdated = split("a", {}, { resources: theirCopy({ disk: "Outdated" }) });
    assert.equal(find(at(outdated, resolve).actions, "ask")?.request.kind, "discard");
  });

  test("a no of the other host ends it, with its reason", () => {
    const asked = at(split("a"), resolve);
    const id = find(asked.actions, "ask")?.id ?? 0;
    const { actions } = at(asked.state, { kind: "reply", id, reply: { kind: "refused", reason: "it serves" } });
    const ended = find(actions, "command-reply");
    assert.equal(ended?.outcome, "refused");
    assert.match(ended.text, /it serves/);
    assert.equal(find(actions, "drbd-connect"), undefined);
  });

  const refusals: readonly (readonly [string, RegExp, State])[] = [
    ["while the copies are connected", /no resource/, split("a", { connection: "Connected" })],
    [
      "while one copy comes from the other",
      /no resource/,
      split("a", { generation: { ...MINE, bitmap: THEIRS.current } }),
    ],
    ["while a generation is not known", /no resource/, split("a", { generation: null })],
    ["without a whole copy here", /Inconsistent: choose the other/, split("a", { disk: "Inconsistent" })],
    ["with a copy that was outdated here", /Outdated: choose the other/, split("a", { disk: "Outdated" })],
    ["while the other host serves", /serves the storage/, split("a", {}, { serving: true })],
    ["while the other host changes its state", /changing hands/, split("a", {}, { busy: true })],
    ["in another epoch", /same epoch/, split("a", {}, { epoch: 99 })],
    ["before the other host has looked", /looked at/, split("a", {}, { joined: false })],
  ];
  for (const [when, why, state] of refusals)
    test(`refused ${when}`, () => {
      const { actions } = at(state, resolve);
      const reply = find(actions, "command-reply");
      assert.equal(reply?.outcome, "refused");
      assert.match(reply.text, why);
      assert.equal(find(actions, "ask"), undefined);
    });

  test("refused while the other host is silent", () => {
    const state = split("a");
    const { actions } = step(state, resolve, state.lastTick + 60_000);
    assert.match(find(actions, "command-reply")?.text ?? "", /does not answer/);
  });
});

describe("on the host whose copy is given up", () => {
  test("what it owned it owns no more, and only when that is on the disk DRBD is told", () => {
    const owner = split("a");
    const { actions, state } = at(owner, request(owner));
    const write = find(actions, "persist");
    assert.equal(write?.record.owner, null);
    assert.deepEqual(write.record.solo, {});
    assert.equal(find(actions, "drbd-discard"), undefined);
    assert.equal(find(actions, "answer"), undefined);
    const written = at(state, { kind: "result", id: write.id, ok: true, detail: "saved" });
    const discard = find(written.actions, "drbd-discard");
    assert.equal(discard?.resource, "iscsi1");
    assert.equal(discard.snapshot, true);
    assert.equal(find(written.actions, "answer"), undefined);
    const done = at(written.state, { kind: "result", id: discard.id, ok: true, detail: "kept" });
    assert.deepEqual(find(done.actions, "answer")?.reply, { kind: "done", said: "kept" });
  });

  test("what DRBD refuses is the answer", () => {
    const owner = split("a");
    const { actions, state } = at(owner, request(owner));
    const write = find(actions, "persist");
    assert.ok(write);
    const written = at(state, { kind: "result", id: write.id, ok: true, detail: "saved" });
    const discard = find(written.actions, "drbd-discard");
    assert.ok(discard);
    const done = at(written.state, { kind: "result", id: discard.id, ok: false, detail: "the device is held open" });
    assert.deepEqual(find(done.actions, "answer")?.reply, { kind: "refused", reason: "the device is held open" });
  });

  test("a record that cannot be written is the answer, and no copy is touched", () => {
    const owner = split("a");
    const { actions, state } = at(owner, request(owner));
    const failed = at(state, { kind: "result", id: find(actions, "persist")?.id ?? 0, ok: false, detail: "disk full" });
    assert.deepEqual(find(failed.actions, "answer")?.reply, { kind: "refused", reason: "disk full" });
    assert.equal(find(failed.actions, "drbd-discard"), undefined);
  });

  test("what begins to change hands before the record is durable is not discarded", () => {
    const owner = split("a");
    const { actions, state } = at(owner, request(owner));
    const id = find(actions, "persist")?.id ?? 0;
    const body = state.peer.body;
    assert.ok(body);
    const reunited: State = { ...state, peer: { ...state.peer, body: { ...body, resources: {} } } };
    const written = at(reunited, { kind: "result", id, ok: true, detail: "saved" });
    assert.match(JSON.stringify(find(written.actions, "answer")?.reply), /not grown apart/);
    assert.equal(find(written.actions, "drbd-discard"), undefined);
  });

  test("the survivor that owns the same epoch is the owner on record here", () => {
    const owner = split("a", {}, { owner: "b" });
    assert.equal(find(at(owner, request(owner)).actions, "persist")?.record.owner, "b");
    const older = split("a", {}, { owner: "b", epoch: owner.durable.epoch - 1 });
    assert.equal(find(at(older, request(older)).actions, "persist")?.record.owner, null);
  });

  test("the owner's name is noted also when it comes to own this epoch later", () => {
    const nobody = split("a", {}, { owner: "b" });
    const state: State = { ...nobody, durable: { ...nobody.durable, owner: null } };
    const noted = find(at(state, { kind: "tick" }).actions, "persist");
    assert.equal(noted?.record.owner, "b");
    const { body } = state.peer;
    assert.ok(body);
    const other: State = { ...state, peer: { ...state.peer, body: { ...body, owner: "b", epoch: body.epoch - 1 } } };
    assert.equal(find(at(other, { kind: "tick" }).actions, "persist"), undefined);
    const silent = step(state, { kind: "tick" }, state.lastTick + 60_000);
    assert.equal(find(silent.actions, "persist"), undefined);
  });

  const connected = split("a", { connection: "Connected" });
  const serving: State = servingWorld().state("a");
  const other = split("a");
  const chosen = at(split("a"), resolve).state;
  const spoilt = split("a", {}, { resources: theirCopy({ disk: "Outdated" }) });
  const refusals: readonly (readonly [string, RegExp, State, Event])[] = [
    ["its copy has not grown apart", /not grown apart/, connected, request(connected)],
    ["it serves", /serves the storage/, serving, request(serving)],
    ["the epoch is another", /epoch/, other, request(other, 99)],
    ["its own data was chosen as well", /on one of them/, chosen, request(chosen)],
    ["the asking host's copy is not whole", /not whole/, spoilt, request(spoilt)],
  ];
  for (const [when, why, state, event] of refusals)
    test(`refused when ${when}`, () => {
      const { actions } = at(state, event);
      const reply = find(actions, "answer")?.reply;
      assert.equal(reply?.kind, "refused");
      assert.match(reply.reason, why);
      assert.equal(find(actions, "drbd-discard"), undefined);
    });
});

/** Both hosts own one epoch and wrote: the link between them was filtered, and VOTE let the second one go on. */
function bothWrote(): World {
  const world = servingWorld({ policy: "vote", config: { mayRestart: true } });
  world.sim.grownApart = true;
  inject(world, { at: 0, kind: "filter", ms: 40_000 });
  world.run(60_000);
  for (const name of ["a", "b"] as const) {
    assert.equal(world.state(name).durable.owner, name);
    assert.match(world.state(name).blocked ?? "", /split brain/);
  }
  assert.equal(world.state("a").durable.epoch, world.state("b").durable.epoch);
  return world;
}

function say(world: World, name: HostName, command: Parameters<World["command"]>[1], ms: number): string {
  world.command(name, command);
  world.run(ms);
  const last = world.replies.at(-1);
  assert.ok(last);
  return `${last.action.outcome}: ${last.action.text}`;
}

const keepMine = { kind: "resolve-split-brain", snapshot: true } as const;

describe("from the split brain to its end", () => {
  for (const [survivor, victim] of [
    ["a", "b"],
    ["b", "a"],
  ] as const)
    test(`${victim}, filled from ${survivor}, takes over when ${survivor} is lost later`, () => {
      const world = bothWrote();
      assert.match(say(world, survivor, keepMine, 60_000), /^done: this host's data stays/);
      assert.ok(world.serving(survivor) && !world.serving(victim));
      world.run(300_000);
      assert.equal(world.state(victim).durable.owner, survivor);
      assert.equal(world.state(victim).syncedEpoch, world.state(victim).durable.epoch);
      world.powerOff(survivor);
      world.run(120_000);
      assert.ok(world.serving(victim));
    });

  test("a copy that was given up and is taken into service before it connected keeps what is written to it then", () => {
    const world = bothWrote();
    const side = sideOf(world.hosts.b, R);
    world.command("a", keepMine);
    for (let ms = 0; ms < 2_000 && !side.discards; ms++) world.run(1);
    assert.ok(side.discards);
    world.powerOff("a");
    world.run(10_000);
    assert.match(say(world, "b", { kind: "manual", on: true, force: true }, 3_000), /^done/);
    assert.match(say(world, "b", { kind: "confirm-peer-off" }, 1_000), /^done/);
    assert.match(say(world, "b", { kind: "become-primary", force: true }, 20_000), /^done/);
    startVm(world, "b");
    const before = side.data;
    world.run(60_000);
    assert.ok(side.data > before);
    const written = side.data;
    assert.match(say(world, "b", { kind: "become-secondary" }, 15_000), /^done/);
    world.powerOn("a");
    world.run(60_000);
    assert.ok(side.data >= written);
    assert.ok(!side.connected);
  });

  test("nothing is given up by a host that cannot write its record; said again it is", () => {
    const world = bothWrote();
    const before = sideOf(world.hosts.b, R).data;
    inject(world, { at: 0, kind: "action", host: "b", effect: "persist", fault: "fails", always: true, ms: 5_000 });
    assert.match(say(world, "a", keepMine, 60_000), /^refused/);
    assert.equal(sideOf(world.hosts.b, R).data, before);
    assert.equal(sideOf(world.hosts.b, R).discards, false);
    assert.match(say(world, "a", keepMine, 60_000), /^done/);
    assert.ok(world.serving("a"));
  });

  test("copies that are connected already leave the ownership to be given up, and nothing else", () => {
    const world = bothWrote();
    sideOf(world.hosts.b, R).discards = true;
    for (const name of ["a", "b"] as const) sideOf(world.hosts[name], R).standAlone = false;
    world.run(60_000);
    for (const name of ["a", "b"] as const) assert.ok(sideOf(world.hosts[name], R).connected);
    assert.ok(!world.serving("a") && !world.serving("b"));
    const before = sideOf(world.hosts.b, R).generation;
    assert.match(say(world, "a", keepMine, 10_000), /^done: this host alone owns the storage/);
    assert.ok(world.serving("a") && !world.serving("b"));
    assert.equal(world.state("b").durable.owner, "a");
    assert.equal(sideOf(world.hosts.b, R).discards, false);
    assert.equal(before.current, sideOf(world.hosts.b, R).generation.current);
    assert.match(say(world, "b", keepMine, 5_000), /^refused: no resource/);
  });
});

describe("with a second resource", () => {
  /** r1 as in `split`, r2 with this view; r2 of the other host is of the same generation. */
  function two(host: "a" | "b", second: Partial<DrbdView>, body: Partial<HeartbeatBody> = {}): State {
    const one = split(host, {}, body);
    const first = valueOf(one.drbd)?.["iscsi1"];
    const heard = one.peer.body;
    const theirs = heard?.resources["iscsi1"];
    assert.ok(first !== undefined && heard !== null && theirs !== undefined);
    const r2: DrbdView = { ...first, connection: "Connected", replication: "Established", ...second };
    return {
      ...one,
      config: { ...one.config, resources: ["iscsi1", "iscsi2"] },
      drbd: known({ iscsi1: first, iscsi2: r2 }, one.lastTick),
      durable: { ...one.durable, solo: { iscsi1: true, iscsi2: true } },
      peer: { ...one.peer, body: { ...heard, resources: { iscsi1: theirs, iscsi2: { ...theirs, generation: MINE } } } },
    };
  }

  test("that is connected, it keeps what is on record of it", () => {
    const state = two("a", {});
    assert.deepEqual(find(at(state, resolve).actions, "ask")?.request, {
      kind: "discard",
      resources: ["iscsi1"],
      epoch: state.durable.epoch,
      snapshot: true,
    });
    assert.deepEqual(find(at(state, request(state)).actions, "persist")?.record.solo, { iscsi2: true });
  });

  test("that is not connected and did not grow apart both hosts refuse", () => {
    const state = two("a", { connection: "StandAlone", replication: "Off" });
    assert.match(find(at(state, resolve).actions, "command-reply")?.text ?? "", /iscsi2 is not connected/);
    const { actions } = at(state, request(state));
    assert.match(JSON.stringify(find(actions, "answer")?.reply), /iscsi2 is not connected/);
    assert.equal(find(actions, "persist"), undefined);
  });

  test("and no resource named, a host that is not one of two owners gives nothing up", () => {
    const state = split("a", { connection: "Connected" });
    const none: Event = {
      kind: "request",
      id: 9,
      request: { kind: "discard", resources: [], epoch: state.durable.epoch, snapshot: true },
    };
    assert.match(JSON.stringify(find(at(state, none).actions, "answer")?.reply), /nothing to give up/);
  });
});
