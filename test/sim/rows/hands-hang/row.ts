import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Daemon hang/crash, kernel fine"],
  matrix: [34],
  policies: ALL,
  faults: [{ at: 0, kind: "hands-stall", host: "a", ms: 600_000 }],
  settleMs: 60000,
  expect: { all: { serves: "b", off: ["a"], vms: { a: "b", b: "b" }, stallMs: 18_000 } },
};
