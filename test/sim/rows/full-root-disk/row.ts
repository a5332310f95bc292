import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [37],
  policies: ALL,
  faults: [
    { at: 0, kind: "action", host: "a", effect: "persist", fault: "fails", always: true, ms: 600_000 },
    { at: 1_000, kind: "power-loss", host: "b", backMs: null },
  ],
  settleMs: 60000,
  expect: {
    all: { serves: "nobody", off: ["b"], vms: { a: "nowhere", b: "nowhere" }, told: /stopped serving/ },
    strict: { serves: "nobody", off: ["b"], vms: { a: "a", b: "nowhere" }, told: /suspended for/ },
  },
};
