import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["tgtd crash"],
  matrix: [23],
  policies: ALL,
  faults: [{ at: 0, kind: "target-crash", host: "a" }],
  settleMs: 30000,
  expect: { all: { serves: "a", stallMs: 1_000, never: "b" } },
};
