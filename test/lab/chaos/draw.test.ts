import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFault } from "../faults.ts";
import { POLICIES } from "../policies.ts";
import { describeRound, drawRound } from "./draw.ts";

const rounds = POLICIES.flatMap((policy) =>
  Array.from({ length: 500 }, (_, number) => ({ policy, round: drawRound(7, number, policy) })),
);

test("a round comes from seed and number alone", () => {
  assert.deepEqual(drawRound(3, 12, "vote"), drawRound(3, 12, "vote"));
  assert.notDeepEqual(drawRound(3, 12, "vote"), drawRound(3, 13, "vote"));
  assert.notDeepEqual(drawRound(3, 12, "vote"), drawRound(4, 12, "vote"));
});

test("every fault is one of the lab's, and ends after it began", () => {
  for (const { round } of rounds)
    for (const { fault, atMs, healAtMs } of round.troubles) {
      parseFault(fault);
      assert.ok(healAtMs === null ? fault.startsWith("kill:") : healAtMs > atMs && healAtMs <= round.lengthMs, fault);
    }
});

test("all kinds of faults are drawn, alone and together; under VOTE never what H1 excludes", () => {
  const kinds = (policy: string): Set<string> =>
    new Set(
      rounds
        .filter((one) => one.policy === policy)
        .flatMap(({ round }) => round.troubles.map(({ fault }) => fault.split(":")[0] ?? "")),
    );
  for (const kind of [
    "power-loss",
    "shutdown",
    "freeze",
    "cut",
    "loss",
    "delay",
    "deaf",
    "switch",
    "gateway",
    "conflict",
    "disk",
    "kill",
    "hang",
  ])
    assert.ok(kinds("vote").has(kind), kind);
  assert.ok(!kinds("vote").has("filter"));
  assert.ok(kinds("witness").has("witness") && kinds("strict").has("bmc-dead"));
  const counts = rounds.map(({ round }) => round.troubles.length);
  for (const count of [1, 2, 3]) assert.ok(counts.filter((one) => one === count).length > 50, String(count));
});

test("a node that has no power is not asked to do anything else", () => {
  for (const { round } of rounds) {
    const off = round.troubles.find(({ fault }) => /^(power-loss|shutdown|freeze)/.test(fault))?.fault.split(":")[1];
    if (off === undefined) continue;
    const inside = round.troubles.filter(
      ({ fault }) => /^(loss|delay|deaf|disk|kill|hang)/.test(fault) && fault.includes(off),
    );
    assert.deepEqual(inside, [], describeRound(round));
  }
});

test("some rounds have a person's switch in the middle, at any time of them", () => {
  const ordered = rounds.filter(({ round }) => round.orders.length > 0);
  assert.ok(ordered.length > rounds.length / 4 && ordered.length < rounds.length / 2, String(ordered.length));
  for (const { round } of ordered)
    for (const { atMs } of round.orders) assert.ok(atMs >= 0 && atMs <= round.lengthMs, describeRound(round));
});
