import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Suspend/pause of the host"],
  matrix: [12],
  policies: ALL,
  faults: [{ at: 0, kind: "kernel-freeze", host: "a", ms: 2_000 }],
  settleMs: 40000,
  expect: { all: { serves: "a", stallMs: 6_000, never: "b" } },
};
