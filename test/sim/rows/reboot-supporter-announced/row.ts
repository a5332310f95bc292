import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Reboot without disabling HA"],
  matrix: [17],
  policies: ALL,
  faults: [{ at: 0, kind: "announced-reboot", host: "b", afterMs: 8_000, backMs: 40_000 }],
  settleMs: 100000,
  expect: { all: { serves: "a", vms: { a: "a", b: "a" }, stallMs: 2_500, never: "b" } },
};
