import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["xapi hang"],
  matrix: [14],
  policies: ALL,
  faults: [{ at: 0, kind: "xapi-hang", host: "b", ms: 120_000 }],
  settleMs: 150000,
  expect: { all: { serves: "a", stallMs: 300, never: "b" } },
};
