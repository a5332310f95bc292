// The short lab part of `npm test`: two scenarios on real nodes, judged by what is safe and where the storage ends. Times
// are printed; their limits are judged by `npm run lab -- run` and `npm run test:lab`, on medians. Where the lab cannot run
// the tests are skipped, never passed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { labUnavailable } from "../lab/packages.ts";
import { runCommand } from "../lab/run-command.ts";
import type { ScenarioResult } from "../lab/results.ts";

const main = fileURLToPath(new URL("../lab/main.ts", import.meta.url));
const RUN_MS = 9 * 60_000;
const runs = [
  ["planned-switch", "vote"],
  ["master-power-loss", "strict"],
] as const;

const unavailable = await labUnavailable();
for (const [scenario, policy] of runs) {
  test(`${scenario} under ${policy} on two real nodes`, { skip: unavailable ?? false, timeout: RUN_MS }, async (t) => {
    const args = [
      "--disable-warning=ExperimentalWarning",
      main,
      "run",
      scenario,
      "--policy",
      policy,
      "--no-limits",
      "--json",
    ];
    const ran = await runCommand(process.execPath, args, { timeoutMs: RUN_MS });
    assert.notEqual(ran.stdout, "", ran.stderr);
    const result = JSON.parse(ran.stdout) as ScenarioResult;
    const { timeline, ...figures } = result;
    t.diagnostic(JSON.stringify(figures));
    if (!result.passed) t.diagnostic(timeline.map((e) => `${e.atMs} ${e.node} ${e.event}: ${e.detail}`).join("\n"));
    assert.equal(result.passed, true, result.why ?? ran.stderr);
    assert.equal(result.ackedWritesLost, 0);
    assert.equal(result.doubleRuns, 0);
    assert.equal(result.twoWriters, 0);
  });
}
