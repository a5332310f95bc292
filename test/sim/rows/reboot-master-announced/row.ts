import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Reboot without disabling HA"],
  matrix: [16],
  policies: ALL,
  faults: [{ at: 0, kind: "announced-reboot", host: "a", afterMs: 8_000, backMs: 40_000 }],
  settleMs: 100000,
  expect: { all: { serves: "b", vms: { a: "b", b: "b" }, stallMs: 4_000 } },
};
