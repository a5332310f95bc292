// `npm run mutants`: takes every switchable rule out of the decision function, one at a time, and demands that the
// exploration finds a counterexample. Prints the table rule → first counterexample; a rule that stays green fails the run.

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import type { Job, Outcome } from "./job.ts";
import { POLICIES, soundJob, type Size } from "./jobs.ts";
import { runAll } from "./pool.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Every rule that the core can switch off, found where it acts. */
export function switchableRules(): readonly string[] {
  const found = globSync("src/core/**/*.ts", { cwd: root }).flatMap((file) =>
    [
      ...readFileSync(join(root, file), "utf8").matchAll(
        /\b(?:demands|inForce)\([^"()]*(?:\([^()]*\)[^"()]*)*"([AD]\d+)"/g,
      ),
    ].map(([, rule = ""]) => rule),
  );
  const order = (rule: string): number => (rule.startsWith("D") ? 0 : 100) + Number(rule.slice(1));
  return [...new Set(found)].toSorted((a, b) => order(a) - order(b));
}

const program = new Command("mutants")
  .description("Removes each rule in turn and looks for the first counterexample; exit code 1 if a rule stays green.")
  .argument("[rules...]", "only these")
  .option("--states <n>", "worlds per search", Number, 300_000)
  .option("--budget <n>", "most faults", Number, 4)
  .option("--threads <n>", "searches at a time", Number)
  .parse();
const options = program.opts<{ states: number; budget: number; threads?: number }>();
const rules = program.args.length > 0 ? program.args : switchableRules();
const size: Size = { budget: options.budget, maxStates: options.states, liveEvery: 11, auditEvery: 0 };

const jobs = rules.flatMap((rule) =>
  POLICIES.map((policy): Job => ({
    ...soundJob(policy, size),
    name: rule,
    removedRules: [rule],
    expect: "any violation",
  })),
);
const found = new Map<string, Outcome>();
const better = (a: Outcome, b: Outcome | undefined): boolean =>
  a.violation !== null && (b === undefined || a.faults < b.faults || (a.faults === b.faults && a.moves < b.moves));

await runAll(
  jobs,
  (outcome) => {
    const { name } = outcome.job;
    if (better(outcome, found.get(name))) found.set(name, outcome);
    console.error(`${name} ${outcome.job.policy}: ${outcome.violation ?? `green after ${outcome.states} states`}`);
  },
  undefined,
  options.threads,
);

console.log("| rule | violated | policy | faults | moves | replay |\n| --- | --- | --- | --- | --- | --- |");
for (const rule of rules) {
  const o = found.get(rule);
  console.log(
    o === undefined
      ? `| ${rule} | **nothing found** | | | | |`
      : `| ${rule} | ${o.violation ?? ""} | ${o.job.policy} | ${o.faults} | ${o.moves} | \`${o.trace ?? ""}\` |`,
  );
}
const green = rules.filter((rule) => !found.has(rule));
if (green.length > 0) {
  console.error(
    `Cannot show what ${green.join(", ")} protect from: found no counterexample without them, expected one each.`,
  );
  process.exitCode = 1;
}
