// The explorer itself: its tables are exact, its traces replay, and it sees what it must see.

import assert from "node:assert/strict";
import { test } from "node:test";
import { run, type Job } from "./job.ts";
import { SHORT, soundJob } from "./jobs.ts";
import { PairMap, WORDS, WorldStore } from "./tables.ts";
import { decodeTrace, timeline } from "./trace.ts";
import { newWords, SOUND } from "./world.ts";

test("PairMap keeps what it was given through its growth", () => {
  const map = new PairMap();
  for (let i = 0; i < 100_000; i++) map.add(i, -i, 3 * i);
  for (let i = 0; i < 100_000; i++) assert.equal(map.get(i, -i), 3 * i);
  assert.equal(map.get(1, 1), -1);
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
  for (const policy of ["vote", "strict", "strict+vote"] as const) {
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
