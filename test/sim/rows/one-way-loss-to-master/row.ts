import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["S->M packets lost only"],
  matrix: [10],
  policies: ALL,
  faults: [{ at: 0, kind: "one-way-filter", host: "b", ms: 600_000 }],
  settleMs: 60000,
  expect: {
    all: { serves: "a", vms: { a: "a", b: "a" }, stallMs: 6_000, never: "b" },
    strict: { serves: "a", off: ["b"], vms: { a: "a", b: "a" }, stallMs: 6_000 },
    "strict+vote": { serves: "a", off: ["b"], vms: { a: "a", b: "a" }, stallMs: 6_000 },
  },
};
