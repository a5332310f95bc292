import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Master power loss"],
  matrix: [22],
  policies: ALL,
  faults: [{ at: 0, kind: "power-loss", host: "a", backMs: 60_000 }],
  settleMs: 120000,
  expect: { all: { serves: "b", vms: { a: "b", b: "b" }, stallMs: 18_000 } },
};
