// D1, D17, D18: nothing is given by itself to a host whose heartbeat says maintenance or manual mode, before the record of that
// mode has followed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { autoReleaseRefusal } from "../../src/core/decide/auto-release.ts";
import type { State } from "../../src/core/model/state.ts";
import { step } from "../../src/core/step.ts";
import { servingWorld } from "../sim/world.ts";

const FREE = { manual: false, maintenance: false };

function heard(flags: typeof FREE): State {
  const state = servingWorld().state("a");
  const { body } = state.peer;
  assert.ok(body !== null);
  assert.deepEqual(state.durable.peerFlags, FREE, "the record has not followed");
  return { ...state, following: true, peer: { ...state.peer, body: { ...body, flags } } };
}

const releases = (state: State): boolean =>
  step(state, { kind: "tick" }, state.lastTick + 50).state.activity?.kind === "release";

test("the storage follows the pool master to a host in no mode", () => {
  assert.equal(releases(heard(FREE)), true);
  assert.equal(autoReleaseRefusal(heard(FREE), heard(FREE).lastTick), undefined);
});

for (const mode of ["manual", "maintenance"] as const)
  test(`nothing is given to a host whose heartbeat says ${mode}`, () => {
    const state = heard({ ...FREE, [mode]: true });
    assert.equal(releases(state), false, "D17");
    assert.match(autoReleaseRefusal(state, state.lastTick) ?? "", new RegExp(mode), "D18");
  });
