import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [24],
  policies: ALL,
  faults: [{ at: 0, kind: "target-hang", host: "a", deep: false, ms: 60_000 }],
  settleMs: 40000,
  expect: { all: { serves: "a", stallMs: 10_000, never: "b" } },
};
