import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Heuristic IP dead for long"],
  matrix: [7],
  policies: ALL,
  faults: [
    { at: 0, kind: "power-loss", host: "b", backMs: null },
    { at: 40_000, kind: "gateway-loss", ms: 300_000 },
  ],
  settleMs: 60000,
  expect: { all: { serves: "a", off: ["b"], stallMs: 8_000, vms: { a: "a", b: "a" } } },
};
