import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [31],
  policies: ALL,
  faults: [
    { at: 0, kind: "slow-resync", ms: 60_000 },
    { at: 0, kind: "link-loss", host: "b", link: "replication", ms: 6_000 },
    { at: 12_000, kind: "link-loss", host: "a", link: "management", ms: 40_000 },
  ],
  settleMs: 80000,
  expect: { all: { serves: "a", stallMs: 2_500, never: "b" } },
};
