import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Mgmt link loss on master"],
  matrix: [3],
  policies: ALL,
  faults: [{ at: 0, kind: "link-loss", host: "a", link: "management", ms: 120_000 }],
  settleMs: 150000,
  expect: { all: { serves: "b", stallMs: 1_000, told: /management network/ } },
};
