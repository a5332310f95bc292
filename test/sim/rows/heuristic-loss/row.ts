import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Heuristic IP dead for long"],
  matrix: [7],
  policies: ALL,
  faults: [{ at: 0, kind: "gateway-loss", ms: 300_000 }],
  settleMs: 120000,
  expect: { all: { serves: "a", stallMs: 300, never: "b" } },
};
