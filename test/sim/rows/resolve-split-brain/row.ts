import { ALL, GROWN_APART, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [],
  policies: ALL,
  faults: [
    ...GROWN_APART,
    { at: 60_000, kind: "command", host: "b", command: { kind: "resolve-split-brain", snapshot: true } },
  ],
  settleMs: 60000,
  // The data is b's; the pool master serves it.
  expect: { all: { serves: "a", vms: { a: "nowhere", b: "nowhere" }, told: /this host's data stays/ } },
};
