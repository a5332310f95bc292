import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Replication link loss"],
  matrix: [8],
  policies: ALL,
  faults: [{ at: 0, kind: "link-loss", host: "a", link: "replication", ms: 120_000 }],
  settleMs: 60000,
  expect: { all: { serves: "a", vms: { a: "a", b: "a" }, stallMs: 2_500, never: "b" } },
};
