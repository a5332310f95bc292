import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["xapi hang"],
  matrix: [13],
  policies: ALL,
  faults: [{ at: 0, kind: "xapi-hang", host: "a", ms: 120_000 }],
  settleMs: 150000,
  expect: { all: { serves: "b", stallMs: 1_000, told: /toolstack/ } },
};
