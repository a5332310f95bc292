// The connection that an outdate by consent gave up is tried again; what else is StandAlone is left alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { DrbdView } from "../../src/core/model/drbd.ts";
import { known, valueOf } from "../../src/core/model/observation.ts";
import { step } from "../../src/core/step.ts";
import { servingWorld } from "../sim/world.ts";

function asked(host: "a" | "b", patch: Partial<DrbdView>): boolean {
  const state = servingWorld().state(host);
  const view = valueOf(state.drbd)?.["iscsi1"];
  assert.ok(view !== undefined);
  const views = known({ iscsi1: { ...view, ...patch } }, state.lastTick);
  const { actions } = step(state, { kind: "drbd", views }, state.lastTick + 1);
  return actions.some((action) => action.kind === "drbd-connect");
}

test("an Outdated copy that stands alone is connected again", () => {
  assert.equal(asked("b", { connection: "StandAlone", disk: "Outdated" }), true);
});

test("an UpToDate copy that stands alone is a split brain or an operator's wish", () => {
  assert.equal(asked("b", { connection: "StandAlone", disk: "UpToDate" }), false);
});

test("the owner that serves does not connect what stands alone", () => {
  assert.equal(asked("a", { connection: "StandAlone", disk: "Outdated" }), false);
});

test("an owner that does not serve connects a copy that an order outdated while the storage was handed to it", () => {
  const standby = servingWorld().state("b");
  const { body } = standby.peer;
  const view = valueOf(standby.drbd)?.["iscsi1"];
  assert.ok(body !== null && view !== undefined);
  const connects = (peerRole: "Primary" | "Secondary"): boolean => {
    const mine = body.resources["iscsi1"];
    assert.ok(mine !== undefined);
    const state = {
      ...standby,
      durable: { ...standby.durable, owner: standby.config.hostId },
      peer: {
        ...standby.peer,
        body: { ...body, owner: standby.config.hostId, resources: { iscsi1: { ...mine, role: peerRole } } },
      },
    };
    const views = known({ iscsi1: { ...view, connection: "StandAlone", disk: "Outdated" } as const }, state.lastTick);
    const { actions } = step(state, { kind: "drbd", views }, state.lastTick + 1);
    return actions.some((action) => action.kind === "drbd-connect");
  };
  assert.equal(connects("Secondary"), true);
  assert.equal(connects("Primary"), false);
});

test("an owner that went on alone connects again when the other host is Secondary, but not while both own the storage (D11)", () => {
  const connects = (peerOwner: "a" | "b"): boolean => {
    const serving = servingWorld().state("a");
    const { body } = serving.peer;
    const view = valueOf(serving.drbd)?.["iscsi1"];
    assert.ok(body !== null && view !== undefined);
    const state = {
      ...serving,
      durable: { ...serving.durable, solo: { iscsi1: true } },
      peer: { ...serving.peer, body: { ...body, owner: peerOwner } },
    };
    const views = known({ iscsi1: { ...view, connection: "StandAlone" as const } }, state.lastTick);
    const { actions } = step(state, { kind: "drbd", views }, state.lastTick + 1);
    return actions.some((action) => action.kind === "drbd-connect");
  };
  assert.equal(connects("a"), true);
  assert.equal(connects("b"), false);
});
