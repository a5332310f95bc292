import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [41],
  policies: ALL,
  faults: [{ at: 0, kind: "orderly-restart", host: "a", afterMs: 4_000, backMs: 6_000 }],
  settleMs: 40000,
  expect: { all: { serves: "a", stallMs: 300, never: "b" } },
};
