import { ALL, type Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [],
  policies: ALL,
  faults: [
    { at: 0, kind: "power-loss", host: "a", backMs: null },
    { at: 100, kind: "power-loss", host: "b", backMs: null },
    { at: 200, kind: "grown-apart" },
    { at: 2_000, kind: "power-on", host: "a" },
    { at: 2_000, kind: "power-on", host: "b" },
    { at: 60_000, kind: "command", host: "b", command: { kind: "resolve-split-brain", snapshot: true } },
    { at: 60_000, kind: "command", host: "a", command: { kind: "resolve-split-brain", snapshot: true } },
  ],
  settleMs: 60000,
  expect: {
    all: { serves: "nobody", vms: { a: "nowhere", b: "nowhere" }, told: /chose the data of that host as well/ },
  },
};
