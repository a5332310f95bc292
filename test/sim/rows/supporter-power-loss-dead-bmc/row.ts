import type { Row } from "../../row.ts";

export const row: Row = {
  section9: ["Slave power loss"],
  matrix: [2],
  policies: ["strict", "strict+vote"],
  faults: [
    { at: 0, kind: "bmc", host: "b", how: "dead", ms: 600_000 },
    { at: 0, kind: "power-loss", host: "b", backMs: null },
  ],
  settleMs: 90000,
  expect: {
    "strict+vote": { serves: "a", off: ["b"], vms: { a: "a", b: "a" }, stallMs: 6_000 },
    strict: { serves: "nobody", off: ["b"], vms: { a: "a", b: "nowhere" }, told: /could not be powered off/ },
  },
};
