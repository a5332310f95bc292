import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: ["Wall clock jump / NTP step"],
  matrix: [35],
  policies: ALL,
  faults: [
    { at: 0, kind: "clock-jump", host: "a", ppm: 500 },
    { at: 0, kind: "clock-jump", host: "b", ppm: -500 },
    { at: 30_000, kind: "both-links-loss", host: "a", ms: 600_000 },
  ],
  settleMs: 60000,
  expect: {
    all: { serves: "b", vms: { a: "b", b: "b" }, stallMs: 18_000 },
    strict: { serves: "b", off: ["a"], vms: { a: "b", b: "b" }, stallMs: 10_000 },
    "strict+vote": { serves: "b", off: ["a"], vms: { a: "b", b: "b" }, stallMs: 18_000 },
  },
};
