// A13: the last word of a host that leaves says that nothing runs on it, only when it looked; and what is made of that word.

import assert from "node:assert/strict";
import { test } from "node:test";
import { heartbeatOf } from "../../src/core/heartbeat.ts";
import { known, unknown } from "../../src/core/model/observation.ts";
import type { State } from "../../src/core/model/state.ts";
import { step } from "../../src/core/step.ts";
import { servingWorld } from "../sim/world.ts";

type Stopping = NonNullable<State["stopping"]>;

test("nothing runs on a host only by a look at its domains, and by its last word alone", () => {
  const state = servingWorld().state("a");
  const now = state.lastTick;
  const leaves: Stopping = { intent: "leaving", phase: "agreed", since: now };
  const says = (stopping: Stopping | null, domains: State["domains"]): boolean =>
    heartbeatOf({ ...state, stopping, domains }, now).vacated === true;
  const empty = known([], now);
  assert.equal(says(leaves, empty), true);
  assert.equal(says(leaves, unknown("xl gave no answer", now)), false);
  assert.equal(says(leaves, known([{ domId: 3, uuid: "vm-a", name: "vm-a", paused: true }], now)), false);
  assert.equal(says({ ...leaves, phase: "asking" }, empty), false);
  assert.equal(says({ ...leaves, intent: "paused" }, empty), false);
  assert.equal(says(null, empty), false);
});

test("the database is reset on that word and D7's proof, not on one of them", () => {
  const world = servingWorld();
  world.fail("a", "xapi-designate");
  world.hosts.a.domains.clear();
  world.run(6_000);
  world.command("a", { kind: "leave" });
  world.until("it may stop", () => world.replies.length > 0, 60_000);
  world.powerOff("a");
  world.until("the toolstack was promoted", () => world.state("b").promotion?.phase === "done", 60_000);
  const before = world.state("b");
  const { body } = before.peer;
  assert.ok(before.promotion !== null && body?.vacated === true);
  const { reset: _done, ...promotion } = before.promotion;
  const resets = (patch: Partial<State>): boolean =>
    step({ ...before, promotion, repairs: {}, ...patch }, { kind: "tick" }, before.lastTick + 1).actions.some(
      ({ kind }) => kind === "xapi-reset-left",
    );
  assert.equal(resets({}), true);
  const { vacated: _word, ...wordless } = body;
  assert.equal(resets({ peer: { ...before.peer, body: wordless } }), false, "without its word");
  assert.equal(resets({ softFenced: true }), false, "without D7");
  assert.equal(resets({ xapi: unknown("xapi gave no answer", before.lastTick) }), false, "not known to be the master");
  assert.equal(resets({ promotion: null }), false, "no database was restored");
});
