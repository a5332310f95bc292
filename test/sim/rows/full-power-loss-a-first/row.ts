import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Both off, one returns"],
  matrix: [20],
  policies: ALL,
  faults: [
    { at: 0, kind: "power-loss", host: "a", backMs: 20_000 },
    { at: 0, kind: "power-loss", host: "b", backMs: 60_000 },
  ],
  settleMs: 100000,
  expect: { all: { serves: "a", vms: { a: "nowhere", b: "nowhere" } } },
};
