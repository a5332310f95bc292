import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["... then master dies"],
  matrix: [8],
  policies: ALL,
  faults: [
    { at: 0, kind: "link-loss", host: "a", link: "replication", ms: 300_000 },
    { at: 8_000, kind: "power-loss", host: "a", backMs: null },
  ],
  settleMs: 60000,
  expect: { all: { serves: "nobody", off: ["a"], vms: { a: "nowhere", b: "b" }, never: "b" } },
};
