import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Switch dead + repl dead"],
  matrix: [5],
  policies: ALL,
  faults: [
    { at: 0, kind: "switch-loss", ms: 40_000 },
    { at: 0, kind: "link-loss", host: "a", link: "replication", ms: 40_000 },
  ],
  settleMs: 80000,
  expect: { all: { serves: "a", stallMs: 46_000, never: "b" } },
};
