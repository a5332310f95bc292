import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Both off, one returns"],
  matrix: [20],
  policies: ALL,
  faults: [
    { at: 0, kind: "power-loss", host: "b", backMs: null },
    { at: 15_000, kind: "power-loss", host: "a", backMs: 10_000 },
  ],
  settleMs: 60000,
  expect: { all: { serves: "a", off: ["b"], vms: { a: "nowhere", b: "nowhere" } } },
};
