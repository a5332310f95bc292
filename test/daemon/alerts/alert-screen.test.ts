// Flood control over time: what a person is told of a condition that repeats, flaps, ends, or outlives the daemon.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  afterRestart,
  clear,
  endUnconfirmed,
  MAX_CONDITIONS,
  raise,
  sweep,
  type Screen,
  type Step,
} from "../../../src/daemon/alerts/alert-screen.ts";

const MINUTE = 60_000;
const SCREEN = 60 * MINUTE;

/** `+text` raises, `-` clears, `.` sweeps, `R` restarts, `E` ends the unconfirmed; at the given minute. */
function play(script: readonly (readonly [minute: number, what: string])[]): string[] {
  let screen: Screen = {};
  const said: string[] = [];
  for (const [minute, what] of script) {
    const now = minute * MINUTE;
    let step: Step = { screen, notices: [] };
    if (what.startsWith("+")) step = raise(screen, "x", what.slice(1), SCREEN, now);
    if (what === "-") step = clear(screen, "x", now);
    if (what === ".") step = sweep(screen, SCREEN, now);
    if (what === "R") step = { screen: afterRestart(screen), notices: [] };
    if (what === "E") step = endUnconfirmed(screen, now);
    screen = step.screen;
    said.push(
      ...step.notices.map((one) => `${minute} ${one.kind} ${one.text}${one.repeats > 0 ? ` x${one.repeats}` : ""}`),
    );
  }
  return said;
}

const cases: readonly (readonly [what: string, script: Parameters<typeof play>[0], said: readonly string[]])[] = [
  [
    "a condition that comes and goes once",
    [
      [0, "+a"],
      [5, "-"],
      [61, "."],
    ],
    ["0 raised a", "5 over a"],
  ],
  [
    "an end of nothing",
    [
      [0, "-"],
      [1, "."],
    ],
    [],
  ],
  [
    "a condition that flaps is told once, its end once, the rest as a number",
    [
      [0, "+a"],
      [1, "-"],
      [2, "+a"],
      [3, "-"],
      [4, "+a"],
      [5, "-"],
      [30, "."],
      [60, "."],
      [61, "."],
      [130, "."],
    ],
    ["0 raised a", "1 over a", "60 repeated a x2"],
  ],
  [
    "a flapping condition that stays in the end",
    [
      [0, "+a"],
      [1, "-"],
      [2, "+a"],
      [60, "."],
      [70, "-"],
    ],
    ["0 raised a", "1 over a", "60 raised a", "70 over a"],
  ],
  [
    "changing words of an open condition",
    [
      [0, "+a"],
      [1, "+b"],
      [2, "+c"],
      [60, "."],
      [61, "-"],
    ],
    ["0 raised a", "60 repeated c x2", "61 over c"],
  ],
  [
    "a later occurrence is told at once again",
    [
      [0, "+a"],
      [1, "-"],
      [90, "+a"],
    ],
    ["0 raised a", "1 over a", "90 raised a"],
  ],
  [
    "a restart with the condition still there",
    [
      [0, "+a"],
      [1, "R"],
      [2, "+a"],
      [6, "E"],
      [61, "."],
    ],
    ["0 raised a"],
  ],
  [
    "a restart after which it is gone",
    [
      [0, "+a"],
      [1, "R"],
      [6, "E"],
      [61, "."],
    ],
    ["0 raised a", "6 over a"],
  ],
  [
    "a clock that was set back",
    [
      [500, "+a"],
      [501, "-"],
      [3, "+a"],
      [4, "-"],
    ],
    ["500 raised a", "501 over a", "3 raised a", "4 over a"],
  ],
];
for (const [what, script, said] of cases) {
  test(what, () => assert.deepEqual(play(script), said));
}

test("screen time 0 tells everything", () => {
  let step = raise({}, "x", "a", 0, 1);
  step = raise(step.screen, "x", "b", 0, 2);
  assert.equal(step.notices.length, 1);
});

test("the memory is bounded; what is still open is kept longest", () => {
  let { screen } = raise({}, "open", "a", SCREEN, 0);
  for (let n = 0; n < 2 * MAX_CONDITIONS; n += 1) {
    screen = raise(screen, `vm:${n}`, "failed", SCREEN, n + 1).screen;
    screen = clear(screen, `vm:${n}`, n + 1).screen;
  }
  assert.equal(Object.keys(screen).length, MAX_CONDITIONS);
  assert.equal(screen["open"]?.isOpen, true);
});
