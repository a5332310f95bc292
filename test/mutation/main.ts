// `npm run mutants`: the decision function without a rule must break the invariant that the rule protects, and the whole
// function must hold on the same ground. Exit code 1 when a mutant survives.

import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { Command } from "commander";
import { RULES } from "../../src/core/rules.ts";
import { run } from "../explore/job.ts";
import { nameOf, type Recipe } from "./recipe.ts";
import { RECIPES } from "./recipes.ts";
import { isStale, writeTable } from "./table.ts";
import { attempts, describeAttempt, jobOf, simulate, wrongWith, type Tried } from "./try.ts";

const program = new Command("mutants")
  .description("Takes each rule out of the decision function and demands the counterexample that it protects from.")
  .argument("[rules...]", "only these, by their names in the table")
  .option("--check", "only tell whether the table in ARCHITECTURE.md is what the recipes say", false)
  .option("--write", "write that table", false)
  .option("--replay <rule>", "tell the timeline of a rule's counterexample")
  .option("--threads <n>", "recipes at a time", Number, availableParallelism())
  .parse();
const options = program.opts<{ check: boolean; write: boolean; replay?: string; threads: number }>();

if (options.write) await writeTable();
else if (options.check) await check();
else if (options.replay !== undefined) replay(options.replay);
else await gate(program.args);

async function check(): Promise<void> {
  if (!(await isStale())) return;
  console.error("The table of mutants in ARCHITECTURE.md is stale: run `npm run mutants -- --write`.");
  process.exitCode = 1;
}

function replay(rule: string): void {
  for (const recipe of RECIPES.filter((r) => nameOf(r) === rule)) {
    if (recipe.engine === "explore") {
      console.log(run(jobOf(recipe, true)).timeline.join("\n"));
      continue;
    }
    for (const attempt of attempts(recipe)) {
      const outcome = simulate(recipe, attempt, recipe.rules);
      if (outcome.violations.length === 0 || outcome.outside) continue;
      for (const { at, host, event, detail } of outcome.log)
        console.log(`${String(Math.round(at)).padStart(7)} ${host} ${event}: ${detail}`);
      console.log(`${describeAttempt(attempt)}: ${outcome.violations[0]}`);
      break;
    }
  }
}

function tryApart(recipe: Recipe): Promise<Tried> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("worker.ts", import.meta.url), {
      // A recipe may hold a function, which no thread can be given: it is found by its place.
      workerData: RECIPES.indexOf(recipe),
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

async function gate(rules: readonly string[]): Promise<void> {
  const begun = performance.now();
  const chosen = RECIPES.filter((recipe) => rules.length === 0 || rules.includes(nameOf(recipe)));
  const waiting = [...chosen];
  let survived = 0;
  const lane = async (): Promise<void> => {
    for (let recipe = waiting.shift(); recipe !== undefined; recipe = waiting.shift()) {
      const since = performance.now();
      const tried = await tryApart(recipe);
      const wrong = wrongWith(recipe, tried);
      if (wrong !== undefined) survived += 1;
      const { violation, faults, replay: how } = tried.mutant;
      const seconds = ((performance.now() - since) / 1000).toFixed(1);
      const text = wrong === undefined ? `${violation ?? ""} | ${faults} faults | ${how}` : `FAILED: ${wrong}`;
      console.log(`${nameOf(recipe).padEnd(10)} | ${recipe.engine.padEnd(7)} | ${text} | ${seconds} s`);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, options.threads) }, lane));
  const untried = rules.length > 0 ? [] : RULES.filter((rule) => !RECIPES.some((r) => r.rules.includes(rule)));
  if (untried.length > 0) console.log(`FAILED: no recipe shows what ${untried.join(", ")} protect from`);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`${chosen.length - survived} of ${chosen.length} mutants break what they must, in ${seconds} s`);
  process.exitCode = survived + untried.length > 0 ? 1 : 0;
}
