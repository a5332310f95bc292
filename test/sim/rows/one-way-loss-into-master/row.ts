import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [],
  policies: ALL,
  faults: [{ at: 0, kind: "one-way-both", host: "a", way: "in", ms: 600_000 }],
  settleMs: 60000,
  expect: {
    all: { serves: "nobody", vms: { a: "nowhere", b: "nowhere" }, told: /suspended/, never: "b" },
    strict: { serves: "nobody", vms: { a: "a", b: "nowhere" }, told: /suspended/, never: "b" },
  },
};
