// One recipe per rule, in the order of protocol.md, and one for each of the surroundings that a rule stands on.

import { DRIFT_TIMERS } from "../explore/jobs.ts";
import type { Recipe } from "./recipe.ts";
import { A_RECIPES } from "./recipes-a.ts";
import { D_RECIPES } from "./recipes-d.ts";

const SURROUNDINGS: readonly Recipe[] = [
  {
    name: "resource-and-stonith (D4)",
    rules: [],
    engine: "explore",
    breaks: "V3",
    story: "DRBD does not suspend I/O at a disconnect: acknowledged writes are on one copy only",
    policy: "vote",
    brokenSurroundings: { suspend: false },
    start: ["the replication link is cut", 1, "a loses power", 5],
    faults: [],
    budget: 0,
    maxStates: 3_000,
  },
  {
    name: "the watchdog (D8)",
    rules: [],
    engine: "explore",
    breaks: "V2",
    story: "nothing stops a host whose daemon stands still: its VMs run on while the other host starts them",
    policy: "vote",
    brokenSurroundings: { watchdog: false },
    start: ["the daemon of b stands still", "the management link of b is cut", "the replication link is cut", 2],
    faults: [],
    budget: 0,
    maxStates: 3_000,
  },
  {
    name: "T_take > L + W + R (I-c)",
    rules: [],
    engine: "explore",
    breaks: "V2",
    story: "VMs are started before the other host's lease and watchdog are over",
    policy: "vote",
    brokenTimers: { take: 3_000 },
    start: ["the hands of b get stuck", "the management link of b is cut", "the replication link is cut", 3],
    faults: [],
    budget: 0,
    maxStates: 3_000,
  },
  {
    name: "clocks within ρ (F3)",
    rules: [],
    engine: "explore",
    breaks: "V2",
    story: "a clock that goes at less than half the speed believes in its lease when the other host starts its VMs",
    policy: "vote",
    surroundings: { clocks: [1_001, 1_000] },
    brokenSurroundings: { clocks: [1_000, 400] },
    timers: DRIFT_TIMERS,
    start: ["the hands of b get stuck", "the management link of b is cut", "the replication link is cut", 7],
    faults: [],
    budget: 0,
    maxStates: 3_000,
  },
  {
    name: "the alarm about suspended I/O",
    rules: [],
    engine: "explore",
    breaks: "V10",
    story: "an owner without a proof holds its writes back, and a person is told of it much later",
    policy: "strict",
    surroundings: { history: true },
    brokenTimers: { take: 30_000 },
    start: [
      "the heuristic address is gone",
      "a filter between the hosts cuts their management network",
      "the replication link is cut",
      12,
    ],
    faults: [],
    budget: 0,
    maxStates: 3_000,
  },
];

export const RECIPES: readonly Recipe[] = [...D_RECIPES, ...A_RECIPES, ...SURROUNDINGS];
