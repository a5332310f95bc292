import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Mgmt link loss on slave"],
  matrix: [4],
  policies: ALL,
  faults: [{ at: 0, kind: "link-loss", host: "b", link: "management", ms: 120_000 }],
  settleMs: 150000,
  expect: { all: { serves: "a", stallMs: 300, never: "b" } },
};
