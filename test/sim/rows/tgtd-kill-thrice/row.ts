import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["tgtd crash"],
  matrix: [23],
  policies: ALL,
  faults: [
    { at: 0, kind: "target-crash", host: "a" },
    { at: 20_000, kind: "target-crash", host: "a" },
    { at: 40_000, kind: "target-crash", host: "a" },
  ],
  settleMs: 40000,
  expect: { all: { serves: "b", stallMs: 2_500, told: /target crashed/ } },
};
