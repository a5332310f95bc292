import assert from "node:assert/strict";
import { test } from "node:test";
import { POLICIES } from "../lab/policies.ts";
import { scenarioNames } from "../lab/scenario-list.ts";
import { daemonRow, reading } from "./daemon.ts";
import { failoverRuns, resultRow } from "./failover.ts";

test("the daemon's cost comes from its own counters and the kernel's", () => {
  const at = (uptimeMs: number, cpuMs: number, processesStarted: number, xapiCalls: number, faults: number): string => {
    const counters = { uptimeMs, cpuMs, residentBytes: 76_000_000, processesStarted, xapiCalls };
    const stat = `71 (tandemd (2) x) S 1 71 71 0 -1 4194560 ${faults} 0 3 0 100 7 0 0 10 -10 11 0 90 900 19000 184467`;
    return `${JSON.stringify({ kind: "metrics", counters })}\n${stat}\n`;
  };
  const from = reading(at(60_000, 1_000, 20, 40, 5_000));
  assert.equal(from.minorFaults, 5_000);
  const row = daemonRow("idle", from, reading(at(120_000, 1_600, 22, 43, 5_600)));
  assert.match(row, /^idle +1\.0 % +76\.0 MB +10 +2\.0 +3\.0$/);
  assert.ok(row.length <= 80);
});

test("without a choice every scenario is run, and the timed ones under every policy", () => {
  const runs = failoverRuns({ repeat: 1, scenarios: [], policies: [] });
  assert.deepEqual(new Set(runs.map(([scenario]) => scenario)), new Set(scenarioNames()));
  assert.deepEqual(
    runs.filter(([scenario]) => scenario === "master-power-loss").map(([, policy]) => policy),
    POLICIES,
  );
  const one = failoverRuns({ repeat: 1, scenarios: ["tgtd-kill"], policies: ["strict"] });
  assert.deepEqual(one, [["tgtd-kill", "strict"]]);
});

test("a run that said nothing has a line too, and lines have 80 columns", () => {
  assert.match(resultRow("planned-switch", "vote", null), /FAIL/);
  const figures = { suspectMs: 1_000, deadMs: 3_000, storageBackMs: 13_500, vmsStartingMs: 33_000, twoWriters: 0 };
  const verified = { ackedWritesLost: 0, doubleRuns: 0, timeline: [], why: null, passed: true };
  const stallMs = { max: 99_999, median: 1 };
  const row = resultRow("management-link-loss-supporter", "strict+vote", {
    scenario: "",
    policy: "vote",
    stallMs,
    ...figures,
    ...verified,
  });
  assert.ok(row.length <= 80, row);
});
