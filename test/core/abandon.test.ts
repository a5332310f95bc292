// An owner that was replaced while its writes were suspended: they are given up, or the device could never be closed (D11).

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DrbdView } from "../../src/core/model/drbd.ts";
import { valueOf, known } from "../../src/core/model/observation.ts";
import type { Activity, State } from "../../src/core/model/state.ts";
import { stages } from "../../src/core/plan/sequence.ts";
import { step } from "../../src/core/step.ts";
import { servingWorld } from "../sim/world.ts";

const standDown: Activity = {
  kind: "stand-down",
  why: "epoch 2 seen (D11)",
  stage: 0,
  pending: [],
  failed: null,
  startedAt: 0,
  token: null,
  to: "nobody",
  record: null,
  begun: false,
};

function replaced(patch: Partial<DrbdView>): State {
  const state = servingWorld().state("a");
  const view = valueOf(state.drbd)?.["iscsi1"];
  assert.ok(view !== undefined);
  const drbd = known({ iscsi1: { ...view, role: "Primary" as const, ...patch } }, state.lastTick);
  return { ...state, drbd, durable: { ...state.durable, epoch: state.durable.epoch + 1, owner: "b" } };
}

const effects = (state: State): string[] =>
  stages(state, standDown).flatMap((stage) =>
    stage.map((item) =>
      item.kind === "effect" ? `${item.body.kind}${"abandon" in item.body ? " abandon" : ""}` : item.kind,
    ),
  );

test("suspended writes are given up only where another host owns the storage", () => {
  assert.ok(effects(replaced({ suspended: true })).includes("demote abandon"));
  assert.ok(!effects(replaced({ suspended: false })).includes("demote abandon"));
  const owner = { ...replaced({ suspended: true }), durable: servingWorld().state("a").durable };
  assert.ok(!effects(owner).includes("demote abandon"));
});

test("the other host's word of a higher epoch is enough: its record here may be on its way to the disk still", () => {
  const state = { ...replaced({ suspended: true }), durable: servingWorld().state("a").durable };
  const { body } = state.peer;
  assert.ok(body !== null);
  const hears = (owner: string, epoch: number): State => ({
    ...state,
    peer: { ...state.peer, body: { ...body, owner, epoch } },
  });
  assert.ok(effects(hears("b", state.durable.epoch + 1)).includes("demote abandon"));
  assert.ok(!effects(hears("b", state.durable.epoch)).includes("demote abandon"));
  assert.ok(!effects(hears("a", state.durable.epoch + 1)).includes("demote abandon"));
});

test("what a stand-down that failed half-way left suspended is given up by repair, whatever still holds the device", () => {
  const orders = (patch: Partial<DrbdView>, holds: boolean): readonly string[] => {
    const state = replaced(patch);
    const at = state.lastTick;
    const target = { running: false, filled: false, portalOpen: false, barred: false, holds };
    const left: State = { ...state, target: known(target, at), vip: known("absent" as const, at) };
    return step(left, { kind: "tick" }, at + 1).actions.flatMap((action) =>
      action.kind === "demote" ? [`${action.resource}${action.abandon === true ? " abandon" : ""}`] : [],
    );
  };
  assert.deepEqual(orders({ suspended: true }, false), ["iscsi1 abandon"]);
  assert.deepEqual(orders({ suspended: true }, true), ["iscsi1 abandon"]);
  assert.deepEqual(orders({ suspended: false }, false), ["iscsi1"]);
  assert.deepEqual(orders({ suspended: false }, true), []);
});

test("a handler that waits is answered first: the other host is the owner", () => {
  const answers = (state: State): readonly unknown[] =>
    step(
      { ...state, handlers: [{ handler: "h1", resource: "iscsi1", since: state.lastTick }], activity: standDown },
      { kind: "tick" },
      state.lastTick + 1,
    ).actions.flatMap((action) => (action.kind === "answer-handler" ? [action.code] : []));
  assert.deepEqual(answers(replaced({ suspended: true })), [6]);
  const owner = { ...replaced({ suspended: true }), durable: servingWorld().state("a").durable };
  assert.deepEqual(answers(owner), []);
});

test("the floating IP is gone and the portal blocked before they are given up, and the device is demoted after", () => {
  const order = effects(replaced({ suspended: true }));
  assert.ok(order.indexOf("block-portal") < order.indexOf("demote abandon"));
  assert.ok(order.indexOf("vip-remove") < order.indexOf("demote abandon"));
  assert.equal(order.at(-2), "demote");
});

test("a suspension that comes or goes in the middle leaves no stage out", () => {
  const stageOf = (kind: string, suspended: boolean): number =>
    stages(replaced({ suspended }), standDown).findIndex((stage) =>
      stage.some((item) => item.kind === "effect" && item.body.kind === kind),
    );
  for (const kind of ["block-portal", "vip-remove", "target-withdraw"])
    assert.equal(stageOf(kind, true), stageOf(kind, false), kind);
});

test("a target that is left filled behind a soft fence is withdrawn once the other host owns the storage", () => {
  const state: State = { ...replaced({}), softFenced: true };
  const withdraws = (s: State): boolean =>
    step(s, { kind: "tick" }, s.lastTick + 1).actions.some(({ kind }) => kind === "target-withdraw");
  assert.ok(withdraws(state));
  assert.ok(!withdraws({ ...state, durable: { ...state.durable, owner: null } }));
});

test("a solo owner connects again when the one it replaced is Secondary, not while it is Primary", () => {
  for (const role of ["Primary", "Secondary"] as const) {
    const state = servingWorld().state("a");
    const view = valueOf(state.drbd)?.["iscsi1"];
    const { body } = state.peer;
    const theirs = body?.resources["iscsi1"];
    assert.ok(view !== undefined && body !== null && theirs !== undefined);
    const alone: State = {
      ...state,
      durable: { ...state.durable, solo: { iscsi1: true } },
      peer: { ...state.peer, body: { ...body, resources: { iscsi1: { ...theirs, role } } } },
    };
    const views = known({ iscsi1: { ...view, connection: "StandAlone" as const } }, state.lastTick);
    const { actions } = step(alone, { kind: "drbd", views }, state.lastTick + 1);
    assert.equal(
      actions.some((action) => action.kind === "drbd-connect"),
      role === "Secondary",
    );
  }
});
