import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [24],
  policies: ALL,
  faults: [{ at: 0, kind: "target-hang", host: "a", deep: true, ms: 40_000 }],
  settleMs: 80000,
  expect: { all: { serves: "a", stallMs: 50_000, never: "b" } },
};
