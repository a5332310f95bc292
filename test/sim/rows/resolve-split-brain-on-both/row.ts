import { ALL, GROWN_APART, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [],
  policies: ALL,
  faults: [
    ...GROWN_APART,
    { at: 60_000, kind: "command", host: "b", command: { kind: "resolve-split-brain", snapshot: true } },
    { at: 60_000, kind: "command", host: "a", command: { kind: "resolve-split-brain", snapshot: true } },
  ],
  settleMs: 60000,
  expect: {
    all: { serves: "nobody", vms: { a: "nowhere", b: "nowhere" }, told: /chose the data of that host as well/ },
  },
};
