import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [29],
  policies: ALL,
  faults: [
    { at: 0, kind: "disk-failure", host: "b" },
    { at: 20_000, kind: "power-loss", host: "a", backMs: null },
  ],
  settleMs: 60000,
  expect: { all: { serves: "nobody", off: ["a"], vms: { a: "nowhere", b: "b" }, never: "b" } },
};
