import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Both links, slave side"],
  matrix: [11],
  policies: ALL,
  faults: [{ at: 0, kind: "both-links-loss", host: "b", ms: 600_000 }],
  settleMs: 60000,
  expect: {
    all: { serves: "a", vms: { a: "a", b: "a" }, stallMs: 5_000 },
    strict: { serves: "a", off: ["b"], vms: { a: "a", b: "a" }, stallMs: 5_000 },
    "strict+vote": { serves: "a", off: ["b"], vms: { a: "a", b: "a" }, stallMs: 6_000 },
  },
};
