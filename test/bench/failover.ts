// Fail-over on the lab: scenarios under policies, each the scenario's own program and its one JSON object.

import { join } from "node:path";
import { root } from "../build.ts";
import { POLICIES, type PolicyName } from "../lab/policies.ts";
import type { ScenarioResult } from "../lab/results.ts";
import { runCommand } from "../lab/run-command.ts";
import { policyOf, scenarioNames } from "../lab/scenario-list.ts";

export interface FailoverOptions {
  readonly repeat: number;
  /** Empty: all of them. */
  readonly scenarios: readonly string[];
  /** Empty: the timed scenarios under every policy, each other one under the policy that it is about. */
  readonly policies: readonly PolicyName[];
}

const RUN_MS = 12 * 60_000;
/** What `protocol.md` gives a time budget. */
const TIMED: readonly string[] = [
  "planned-switch",
  "master-power-loss",
  "supporter-power-loss",
  "replication-link-loss",
  "both-links-loss-master",
  "tgtd-kill",
];

export const labMain = join(root, "test/lab/main.ts");
const HEAD = ["stall", "susp.", "dead", "back", "VMs"] as const;

/** Which runs are made, in order. */
export function failoverRuns({ scenarios, policies }: FailoverOptions): readonly (readonly [string, PolicyName])[] {
  const chosen = scenarios.length > 0 ? scenarios : scenarioNames();
  const under = (scenario: string): readonly PolicyName[] => {
    if (policies.length > 0) return policies;
    return TIMED.includes(scenario) ? POLICIES : [policyOf(scenario)];
  };
  return chosen.flatMap((scenario) => under(scenario).map((policy) => [scenario, policy] as const));
}

/** A line as soon as it is known: the whole takes hours. */
export async function failover(options: FailoverOptions, print: (line: string) => void): Promise<boolean> {
  print(`Fail-over on the lab, ms, medians of ${options.repeat}; lost writes, doubled VMs, two writers: 0 where "ok"`);
  print(row("", "", HEAD));
  let allPassed = true;
  for (const [scenario, policy] of failoverRuns(options)) {
    const args = [labMain, "run", scenario, "--policy", policy, "--repeat", String(options.repeat), "--json"];
    const ran = await runCommand(process.execPath, ["--disable-warning=ExperimentalWarning", ...args, "--no-limits"], {
      timeoutMs: RUN_MS * options.repeat,
    });
    const result = ran.stdout === "" ? null : (JSON.parse(ran.stdout) as ScenarioResult);
    allPassed &&= result?.passed === true;
    print(resultRow(scenario, policy, result));
    if (result?.passed !== true) print(`  ${result?.why ?? ran.stderr.trim().split("\n").at(-1) ?? "said nothing"}`);
  }
  return allPassed;
}

export function resultRow(scenario: string, policy: PolicyName, result: ScenarioResult | null): string {
  const verdict = result?.passed === true ? "ok" : "FAIL";
  if (result === null) return row(scenario, `${policy} ${verdict}`, []);
  const { stallMs, suspectMs, deadMs, storageBackMs, vmsStartingMs } = result;
  const cells = [stallMs.max, suspectMs, deadMs, storageBackMs, vmsStartingMs];
  return row(
    scenario,
    `${policy} ${verdict}`,
    cells.map((ms) => (ms === null ? "-" : String(ms))),
  );
}

const row = (scenario: string, policy: string, cells: readonly string[]): string =>
  scenario.padEnd(31) + policy.padEnd(17) + cells.map((cell) => cell.padStart(6)).join("");
