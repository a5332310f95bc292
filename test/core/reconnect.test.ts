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

test("the owner does not connect what stands alone", () => {
  assert.equal(asked("a", { connection: "StandAlone", disk: "Outdated" }), false);
});
