import type { Row } from "../../row.ts";

export const row: Row = {
  section9: [],
  matrix: [],
  policies: ["vote"],
  faults: [
    { at: 0, kind: "one-way-filter", host: "a", ms: 14_400 },
    { at: 6_400, kind: "link-loss", link: "replication", host: "b", ms: 26_000 },
    // What the soft fence did already takes no time; the record does.
    { at: 12_000, kind: "action", host: "a", effect: "persist", fault: "slow", always: true, ms: 5_000 },
    { at: 60_000, kind: "command", host: "b", command: { kind: "switch", storageOnly: true } },
  ],
  settleMs: 20_000,
  expect: { all: { serves: "a", vms: { a: "b", b: "b" }, stallMs: 18_000 } },
};
