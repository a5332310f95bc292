import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [],
  policies: ALL,
  faults: [{ at: 0, kind: "torn-record", host: "a", backMs: 60_000 }],
  settleMs: 60000,
  expect: { all: { serves: "b", vms: { a: "b", b: "b" }, stallMs: 18_000, never: "a" } },
};
