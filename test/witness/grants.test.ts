// The witness's decision on grants, request by request.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { WitnessRequest } from "../../src/core/model/witness.ts";
import { decide, type Decision, type GrantTable, type WitnessContext } from "../../src/witness/grants.ts";

const POOL = "pool";
const context: WitnessContext = { now: 1e6, startedAt: 0, stamp: 1, nextStamp: 2, rules: { removedRules: [] } };

function ask(
  table: GrantTable,
  host: string,
  request: Partial<WitnessRequest>,
  patch: Partial<WitnessContext> = {},
  seen = 1,
): Decision {
  const full = { kind: "query", resources: ["r"], epoch: 1, owner: false, solo: false, takeMs: 13_000, ...request };
  // The kind is one of the three wherever a test names it.
  return decide(table, { poolId: POOL, host, request: full as WitnessRequest, seen }, { ...context, ...patch });
}

const owned = ask({}, "a", { owner: true }).table;
const grantedToA = ask(owned, "a", { kind: "grant", epoch: 2, owner: true }).table;

test("one host holds the grant, the other one is refused and ruled out, for ever", () => {
  const mine = ask(owned, "a", { kind: "grant", epoch: 2, owner: true }).answer;
  assert.deepEqual([mine.granted, mine.holder, mine.refusal], [true, "a", null]);
  const other = ask(grantedToA, "b", { kind: "grant", epoch: 2 }, { now: 1e12 });
  assert.deepEqual([other.answer.granted, other.answer.holder], [false, "a"]);
  assert.match(other.answer.refusal ?? "", /granted to the other host in epoch 2/);
  assert.equal(other.table, grantedToA);
  assert.equal(ask(grantedToA, "b", {}).answer.holder, "a");
});

test("only the holder gives it back, or the owner of a later epoch whose copies agree (A1)", () => {
  assert.match(ask(grantedToA, "b", { kind: "release" }).answer.refusal ?? "", /granted to the other host/);
  const solo = { kind: "release", epoch: 3, owner: true, solo: true } as const;
  assert.notEqual(ask(grantedToA, "b", solo).answer.refusal, null);
  assert.notEqual(ask(grantedToA, "b", { ...solo, epoch: 2, solo: false }).answer.refusal, null);
  assert.equal(ask(grantedToA, "b", { ...solo, solo: false }).answer.refusal, null);
  const free = ask(grantedToA, "a", { kind: "release" });
  assert.equal(free.answer.holder, null);
  assert.equal(ask(free.table, "b", { kind: "grant", epoch: 2 }).answer.granted, true);
});

test("a grant or release quotes the stamp and uses it up; refused, it changes nothing", () => {
  const old = ask(grantedToA, "a", { kind: "release" }, {}, 7);
  assert.match(old.answer.refusal ?? "", /changed since/);
  assert.deepEqual([old.table, old.stamp], [grantedToA, 1]);
  assert.equal(ask(grantedToA, "a", { kind: "release" }).stamp, 2);
  assert.equal(ask(grantedToA, "b", { kind: "grant", epoch: 2 }).stamp, 2, "a refused one cannot be played again");
  assert.equal(ask(grantedToA, "b", {}).stamp, 1);
});

test("a host that does not know the newest epoch gets nothing", () => {
  const later = ask(owned, "a", { epoch: 5, owner: true }).table;
  assert.match(ask(later, "b", { kind: "grant", epoch: 5 }).answer.refusal ?? "", /owner is in epoch 5/);
  assert.equal(ask(later, "b", { kind: "grant", epoch: 6 }).answer.granted, true);
  assert.equal(ask(later, "a", { epoch: 4, owner: true }).table, later, "an old report is not believed");
});

test("A17: a restarted witness grants no change of owner for T_take; the owner gets its grant", () => {
  const restarted = { now: 12_999 };
  assert.match(ask(owned, "b", { kind: "grant", epoch: 2 }, restarted).answer.refusal ?? "", /A17/);
  assert.match(ask({}, "b", { kind: "grant", epoch: 2 }, restarted).answer.refusal ?? "", /A17/);
  assert.equal(ask(owned, "a", { kind: "grant", epoch: 2 }, restarted).answer.granted, true);
  assert.equal(ask(owned, "b", { kind: "grant", epoch: 2 }, { now: 13_000 }).answer.granted, true);
  const without = { ...restarted, rules: { removedRules: ["A17"] } };
  assert.equal(ask(owned, "b", { kind: "grant", epoch: 2 }, without).answer.granted, true);
});

test("a witness without its table believes a solo owner that it holds the grant", () => {
  assert.equal(ask({}, "a", { epoch: 4, owner: true, solo: true }).answer.holder, "a");
  assert.equal(ask({}, "b", { epoch: 4 }).answer.holder, null);
});

test("several resources are granted together or not at all; pools know nothing of one another", () => {
  const both = { kind: "grant", epoch: 2, resources: ["r", "s"] } as const;
  const refused = ask(grantedToA, "b", both);
  assert.equal(refused.table, grantedToA);
  assert.equal(ask(owned, "b", both).answer.granted, true);
  const request: WitnessRequest = { kind: "grant", resources: ["r"], epoch: 2, owner: false, solo: false, takeMs: 0 };
  assert.equal(decide(grantedToA, { poolId: "other", host: "b", request, seen: 1 }, context).answer.granted, true);
});
