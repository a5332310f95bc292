import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Switch/gateway dead, repl ok"],
  matrix: [5],
  policies: ALL,
  faults: [{ at: 0, kind: "switch-loss", ms: 120_000 }],
  settleMs: 150000,
  expect: { all: { serves: "a", stallMs: 300, never: "b" } },
};
