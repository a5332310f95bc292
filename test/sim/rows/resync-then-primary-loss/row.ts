import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Resync running, owner dies"],
  matrix: [30],
  policies: ALL,
  faults: [
    { at: 0, kind: "slow-resync", ms: 60_000 },
    { at: 0, kind: "link-loss", host: "b", link: "replication", ms: 6_000 },
    { at: 12_000, kind: "power-loss", host: "a", backMs: null },
  ],
  settleMs: 60000,
  expect: { all: { serves: "nobody", off: ["a"], vms: { a: "nowhere", b: "b" }, never: "b" } },
};
