import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Slave power loss"],
  matrix: [2],
  policies: ALL,
  faults: [{ at: 0, kind: "power-loss", host: "b", backMs: null }],
  settleMs: 60000,
  expect: {
    all: { serves: "a", off: ["b"], vms: { a: "a", b: "a" }, stallMs: 5_000 },
    strict: { serves: "a", off: ["b"], vms: { a: "a", b: "a" }, stallMs: 8_000 },
  },
};
