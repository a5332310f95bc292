// The explorer itself: its tables are exact, its traces replay, and it sees what it must see.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Blocks, Leaves } from "./intern.ts";
import { run, type Job } from "./job.ts";
import { SHORT, soundJob } from "./jobs.ts";
import { PairMap, WORDS, WorldStore } from "./tables.ts";
import { decodeTrace, timeline } from "./trace.ts";
import { newWords, SOUND } from "./world.ts";

test("PairMap keeps what it was given through its growth", () => {
  const map = new PairMap();
  for (let i = 0; i < 100_000; i++) map.add(i, -i, 3 * i, 5 * i);
  for (let i = 0; i < 100_000; i++) {
    const at = map.find(i, -i);
    assert.deepEqual([map.first(at), map.second(at)], [3 * i, 5 * i]);
  }
  assert.equal(map.find(1, 1), -1);
});

test("Blocks gives one number to equal rows and the rows back, of every width", () => {
  for (const width of [1, 2, 3, 7, 8, 51]) {
    const blocks = new Blocks(width);
    const row = (i: number): Int32Array => Int32Array.from({ length: width }, (_, at) => (i >> (at % 10)) & 1);
    const numbers = Array.from({ length: 1_024 }, (_, i) => blocks.add(row(i)));
    const found = new Int32Array(width);
    for (const [i, number] of numbers.entries()) {
      assert.equal(blocks.add(row(i)), number);
      blocks.read(number, found);
      assert.deepEqual(found, row(i));
    }
  }
});

test("Leaves tells values apart and keeps the first object of each", () => {
  const leaves = new Leaves();
  const first = { a: 1 };
  const values = [null, 0, "0", false, "", first, {}, [], [1], "x"];
  const numbers = values.map((value) => leaves.number(value));
  assert.equal(new Set(numbers).size, values.length);
  assert.equal(leaves.number({ a: 1 }), leaves.number(first));
  assert.equal(leaves.value(leaves.number({ a: 1 })), first);
  assert.ok(leaves.keeps(first) && leaves.keeps(null) && !leaves.keeps({ a: 1 }));
});

test("WorldStore tells worlds apart by every word and gives them back", () => {
  const store = new WorldStore();
  const words = newWords();
  for (let i = 0; i < 300_000; i++) {
    words[i % WORDS] = i;
    assert.equal(store.add(words, i - 1, i), i);
  }
  assert.equal(store.add(words, 0, 0), -1);
  store.read(299_999, words);
  assert.equal(words[299_999 % WORDS], 299_999);
  assert.equal(store.parent(299_999), 299_998);
});

const small = (patch: Partial<Job>): Job => ({
  ...soundJob("vote", { ...SHORT, budget: 1, maxStates: 20_000, liveEvery: 3, auditEvery: 10 }),
  ...patch,
});

test("with one fault nothing breaks, and a repaired pool serves again", () => {
  for (const policy of ["vote", "strict", "strict+vote", "witness"] as const) {
    const outcome = run(small({ policy }));
    assert.equal(outcome.violation, null, outcome.timeline.join("\n"));
    assert.ok(outcome.states > 1_000 && outcome.audited > 100 && outcome.lived > 300, JSON.stringify(outcome));
  }
});

test("without the watchdog a counterexample is found, and it replays", () => {
  const surroundings = { ...SOUND, watchdog: false };
  const outcome = run(small({ surroundings, liveEvery: 0, budget: 2, maxStates: 100_000 }));
  assert.match(outcome.violation ?? "", /^V[12] /);
  const again = timeline(outcome.job, surroundings, decodeTrace(outcome.trace ?? ""));
  assert.match(again.at(-1) ?? "", new RegExp(`! ${outcome.violation}`));
});

/** A seed of trouble: what happens before, and what is asked of the function with and without a rule. */
const broken = (rule: string, patch: Partial<Job>): { without: string | null; whole: string | null } => {
  const job = small({ liveEvery: 0, budget: 0, faults: [], maxStates: 3_000, ...patch });
  return { without: run({ ...job, removedRules: [rule] }).violation, whole: run(job).violation };
};

test("V12: without D15 the storage follows the management network to and fro", () => {
  const { without, whole } = broken("D15", {
    surroundings: { ...SOUND, history: true },
    start: [
      "the management link of a is cut",
      5,
      "the management network and the heuristic address are back",
      "the management link of b is cut",
    ],
  });
  assert.match(without ?? "", /^V12 /);
  assert.equal(whole, null);
});

test("V3: without A4 an isolated owner switches its HA off alone and serves on, while the other one took over", () => {
  const { without, whole } = broken("A4", {
    start: ["the management link of a is cut", "the replication link is cut", 1, "an operator on a switches HA off", 9],
  });
  assert.match(without ?? "", /^V3 /);
  assert.equal(whole, null);
});

test("V5: without D1 VMs are started although an operator switched HA off", () => {
  const { without, whole } = broken("D1", {
    start: ["an operator on a switches HA off", 2, "b loses power", 7],
  });
  assert.match(without ?? "", /^V5 /);
  assert.equal(whole, null);
});

test("V2: without A7 the VMs of a host whose daemon is being exchanged are started elsewhere", () => {
  const { without, whole } = broken("A7", {
    faults: ["link", "replication"],
    budget: 2,
    start: ["the daemon of b is exchanged", 1],
    maxStates: 30_000,
  });
  assert.match(without ?? "", /^V2 /);
  assert.equal(whole, null);
});

test("a host whose hands hang has finitely many states, however often it is asked for the same", () => {
  const start = ["the hands of b get stuck", "the replication link is cut"];
  const { layers, violation } = run(small({ start, budget: 0, faults: [], maxStates: 3_000, liveEvery: 0 }));
  assert.equal(violation, null);
  assert.equal(layers[0]?.whole, true);
});
