import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Operator disables HA while peer is down"],
  matrix: [],
  policies: ALL,
  faults: [
    { at: 0, kind: "power-loss", host: "b", backMs: null },
    { at: 30_000, kind: "command", host: "a", command: { kind: "disable", force: false } },
  ],
  settleMs: 20000,
  expect: { all: { serves: "a", off: ["b"], vms: { a: "a", b: "a" }, told: /did not agree/ } },
};
