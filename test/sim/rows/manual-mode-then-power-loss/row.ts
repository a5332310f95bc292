import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [33],
  policies: ALL,
  faults: [
    { at: 0, kind: "command", host: "a", command: { kind: "manual", on: true, force: false } },
    { at: 5_000, kind: "power-loss", host: "a", backMs: null },
  ],
  settleMs: 60000,
  expect: { all: { serves: "nobody", off: ["a"], vms: { a: "nowhere", b: "b" }, never: "b", told: /manual mode/ } },
};
