import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Switch dead, then master dies"],
  matrix: [7],
  policies: ALL,
  faults: [
    { at: 0, kind: "switch-loss", ms: 600_000 },
    { at: 5_000, kind: "power-loss", host: "a", backMs: null },
  ],
  settleMs: 60000,
  expect: { all: { serves: "nobody", off: ["a"], vms: { a: "nowhere", b: "nowhere" }, never: "b" } },
};
