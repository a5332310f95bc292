import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Master power loss"],
  matrix: [1],
  policies: ALL,
  faults: [{ at: 0, kind: "power-loss", host: "a", backMs: null }],
  settleMs: 60000,
  expect: {
    all: { serves: "b", off: ["a"], vms: { a: "b", b: "b" }, stallMs: 18_000 },
    strict: { serves: "b", off: ["a"], vms: { a: "b", b: "b" }, stallMs: 10_000 },
  },
};
