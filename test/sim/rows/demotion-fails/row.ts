import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [26],
  policies: ALL,
  faults: [
    { at: 0, kind: "action", host: "a", effect: "demote", fault: "fails", always: true, ms: 30_000 },
    { at: 100, kind: "command", host: "a", command: { kind: "switch", storageOnly: true } },
  ],
  settleMs: 60000,
  expect: { all: { serves: "a", stallMs: 3_000, told: /rolled back/, never: "b" } },
};
