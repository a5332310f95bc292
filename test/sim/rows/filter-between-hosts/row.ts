import type { Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [9],
  policies: ["vote", "strict", "witness"],
  faults: [{ at: 0, kind: "filter", ms: 600_000 }],
  settleMs: 60000,
  expect: {
    vote: { serves: "nobody", breaks: /^V[126] / },
    strict: { serves: "a", off: ["b"], vms: { a: "a", b: "a" }, stallMs: 8_000 },
    witness: { serves: "a", vms: { a: "a", b: "a" }, stallMs: 6_000 },
  },
};
