import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Both off, one returns"],
  matrix: [19],
  policies: ALL,
  faults: [
    { at: 0, kind: "power-loss", host: "a", backMs: null },
    { at: 40_000, kind: "power-loss", host: "b", backMs: null },
    { at: 45_000, kind: "power-on", host: "a" },
    { at: 75_000, kind: "power-on", host: "b" },
  ],
  settleMs: 60000,
  expect: { all: { serves: "b", vms: { a: "nowhere", b: "nowhere" } } },
};
