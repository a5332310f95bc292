import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["dom0 hang > lease, wakes up", "Suspend/pause of the host"],
  matrix: [12],
  policies: ALL,
  faults: [{ at: 0, kind: "kernel-freeze", host: "a", ms: 30_000 }],
  settleMs: 70000,
  expect: {
    all: { serves: "b", off: ["a"], vms: { a: "b", b: "b" }, stallMs: 18_000 },
    strict: { serves: "b", off: ["a"], vms: { a: "b", b: "b" }, stallMs: 10_000 },
  },
};
