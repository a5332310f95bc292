import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Master power loss"],
  matrix: [16, 22],
  policies: ALL,
  faults: [{ at: 0, kind: "reboot", host: "a", backMs: 40_000 }],
  settleMs: 120000,
  expect: { all: { serves: "b", vms: { a: "b", b: "b" }, stallMs: 18_000 } },
};
