import type { Row } from "../../row.ts";

export const row: Row = {
  section9: ["Master power loss"],
  matrix: [1],
  policies: ["strict", "strict+vote"],
  faults: [
    { at: 0, kind: "bmc", host: "a", how: "dead", ms: 600_000 },
    { at: 0, kind: "power-loss", host: "a", backMs: null },
  ],
  settleMs: 90000,
  expect: {
    "strict+vote": { serves: "b", off: ["a"], vms: { a: "b", b: "b" }, stallMs: 18_000 },
    strict: { serves: "nobody", off: ["a"], vms: { a: "nowhere", b: "b" }, told: /could not be powered off/ },
  },
};
