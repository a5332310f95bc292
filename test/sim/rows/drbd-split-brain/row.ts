import { ALL, GROWN_APART, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["DRBD split brain found"],
  matrix: [27],
  policies: ALL,
  faults: [...GROWN_APART],
  settleMs: 60000,
  expect: { all: { serves: "nobody", vms: { a: "nowhere", b: "nowhere" }, told: /split brain/ } },
};
