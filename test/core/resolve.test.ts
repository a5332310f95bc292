// A split brain is ended by a person (D11): what both hosts look at before a copy is given up, and in which order it happens.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DrbdView, Generation } from "../../src/core/model/drbd.ts";
import type { Event } from "../../src/core/model/event.ts";
import { known, valueOf } from "../../src/core/model/observation.ts";
import type { HeartbeatBody } from "../../src/core/model/peer.ts";
import type { State } from "../../src/core/model/state.ts";
import type { Action } from "../../src/core/plan/action.ts";
import { step } from "../../src/core/step.ts";
import { servingWorld } from "../sim/world.ts";

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
    ["without a usable copy here", /no resource/, split("a", { disk: "Inconsistent" })],
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
  test("what it owned it owns no more, and the answer waits for DRBD and for the disk", () => {
    const owner = split("a");
    const { actions, state } = at(owner, request(owner));
    const write = find(actions, "persist");
    const discard = find(actions, "drbd-discard");
    assert.equal(write?.record.owner, null);
    assert.deepEqual(write.record.solo, {});
    assert.equal(discard?.resource, "iscsi1");
    assert.equal(discard.snapshot, true);
    assert.equal(find(actions, "answer"), undefined);
    const written = at(state, { kind: "result", id: write.id, ok: true, detail: "saved" });
    assert.equal(find(written.actions, "answer"), undefined);
    const done = at(written.state, { kind: "result", id: discard.id, ok: true, detail: "kept" });
    assert.deepEqual(find(done.actions, "answer")?.reply, { kind: "done", said: "kept" });
  });

  test("what DRBD refuses is the answer", () => {
    const owner = split("a");
    const { actions, state } = at(owner, request(owner));
    const [write, discard] = [find(actions, "persist"), find(actions, "drbd-discard")];
    assert.ok(write && discard);
    const written = at(state, { kind: "result", id: write.id, ok: true, detail: "saved" });
    const done = at(written.state, { kind: "result", id: discard.id, ok: false, detail: "the device is held open" });
    assert.deepEqual(find(done.actions, "answer")?.reply, { kind: "refused", reason: "the device is held open" });
  });

  const connected = split("a", { connection: "Connected" });
  const serving: State = servingWorld().state("a");
  const other = split("a");
  const refusals: readonly (readonly [string, RegExp, State, Event])[] = [
    ["its copy has not grown apart", /not grown apart/, connected, request(connected)],
    ["it serves", /serves the storage/, serving, request(serving)],
    ["the epoch is another", /epoch/, other, request(other, 99)],
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
