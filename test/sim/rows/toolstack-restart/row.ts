import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["xapi hang"],
  matrix: [18],
  policies: ALL,
  faults: [
    { at: 0, kind: "xapi-hang", host: "a", ms: 8_000 },
    { at: 10_000, kind: "xapi-hang", host: "b", ms: 8_000 },
  ],
  settleMs: 60000,
  expect: { all: { serves: "a", stallMs: 300, never: "b" } },
};
