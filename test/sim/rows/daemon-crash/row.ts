import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Daemon hang/crash, kernel fine"],
  matrix: [34],
  policies: ALL,
  faults: [{ at: 0, kind: "daemon-crash", host: "a", backMs: 800 }],
  settleMs: 60000,
  expect: { all: { serves: "a", stallMs: 300, never: "b" } },
};
