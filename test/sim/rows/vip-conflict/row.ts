import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["VIP answered by another MAC"],
  matrix: [25],
  policies: ALL,
  faults: [
    { at: 0, kind: "vip-conflict", ms: 600_000 },
    { at: 1_000, kind: "power-loss", host: "a", backMs: null },
  ],
  settleMs: 60000,
  expect: {
    all: { serves: "nobody", off: ["a"], vms: { a: "nowhere", b: "b" }, told: /floating IP is answered/, never: "b" },
  },
};
