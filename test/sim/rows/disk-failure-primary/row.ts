import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Local disk failure on owner"],
  matrix: [28],
  policies: ALL,
  faults: [{ at: 0, kind: "disk-failure", host: "a" }],
  settleMs: 40000,
  expect: { all: { serves: "b", stallMs: 1_000, told: /disk under the storage/ } },
};
