// npm run sim -- --seeds N [--from S] [--policy P] [--long] [--violate-h1] [--remove RULE] | --replay SEED [--policy P] [--long]
// Schedules of faults on two simulated hosts, on all cores. Exits 1 when an invariant broke, with the seed, the invariant
// and the shortest schedule and timeline that still break it.

import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { Policy } from "../../src/core/model/config.ts";
import { hostState, outcome as sentence } from "../../src/core/view.ts";
import { summarise } from "./coverage.ts";
import { describeFault } from "./faults.ts";
import { planOf, runPlan, shrink, SIMULATED_POLICIES, type Outcome, type Plan, type PlanOptions } from "./schedule.ts";
import type { Job, Report } from "./worker.ts";

const USAGE =
  "usage: npm run sim -- --seeds N [--from S] [--policy P] [--long] [--violate-h1] [--remove RULE] | --replay SEED";
const COVERED = 400;

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string", default: "0" },
    policy: { type: "string" },
    long: { type: "boolean", default: false },
    "violate-h1": { type: "boolean", default: false },
    remove: { type: "string" },
    replay: { type: "string" },
  },
});

const isPolicy = (text: string): text is Policy => SIMULATED_POLICIES.some((known) => known === text);

function stop(sentence: string): never {
  console.error(`${sentence}\n${USAGE}`);
  process.exit(2);
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) stop(`Cannot use --${name} ${text}: expected a whole number`);
  return number;
}

const { policy } = values;
if (policy !== undefined && !isPolicy(policy))
  stop(`Cannot simulate policy ${policy}: expected ${SIMULATED_POLICIES.join(", ")}`);

const options: PlanOptions = {
  policies: policy === undefined ? SIMULATED_POLICIES : [policy],
  long: values.long,
  violateH1: values["violate-h1"],
  removedRules: values.remove === undefined ? [] : [values.remove],
};

if (values.replay !== undefined) {
  const plan = planOf(wholeNumber("replay", values.replay), options);
  const outcome = runPlan(plan, options);
  printTimeline(plan, outcome);
  process.exit(outcome.violations.length > 0 ? 1 : 0);
}
if (values.seeds === undefined) stop("Cannot start: --seeds or --replay is missing");
process.exit(await simulate(wholeNumber("seeds", values.seeds), wholeNumber("from", values.from)));

function run(job: Job): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(new URL("worker.ts", import.meta.url)), { workerData: job });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

async function simulate(seeds: number, from: number): Promise<number> {
  const begun = performance.now();
  const workers = availableParallelism();
  const covered = Math.min(COVERED, seeds);
  const jobs = Array.from({ length: workers }, (_, worker) => ({ from, seeds, worker, workers, covered, options }));
  const reports = await Promise.all(jobs.map(run));
  const seconds = (performance.now() - begun) / 1000;
  const sum = (pick: (report: Report) => number): number => reports.reduce((total, r) => total + pick(r), 0);
  const counted = sum((r) => r.counted);
  const ran = counted + sum((r) => r.tooSmall + r.outside + r.failures.length);
  console.log(
    `${counted} schedules from seed ${from} hold, of ${options.policies.join(", ")}; in ${seconds.toFixed(1)} s:`,
  );
  console.log(
    `${(ran / seconds).toFixed(0)} schedules/s, ${Math.round(sum((r) => r.steps) / seconds)} steps/s, on ${workers} threads`,
  );
  console.log(
    `${Math.round(sum((r) => r.virtualMs) / ran / 1000)} virtual seconds each; healed to settled in at most ${(Math.max(...reports.map((r) => r.slowestMs)) / 1000).toFixed(1)} s`,
  );
  console.log(
    `not counted: ${sum((r) => r.tooSmall)} too short or with too few faults, ${sum((r) => r.outside)} in which chance broke H1`,
  );
  printFaults(reports);
  printCoverage(reports, covered);
  const failures = reports.flatMap((r) => r.failures).toSorted((a, b) => a.seed - b.seed);
  const first = failures[0];
  if (first === undefined) return 0;
  console.log(`\n${failures.length} schedules failed (the rest was not run after 20 on one thread):`);
  for (const { seed, violation } of failures) console.log(`  seed ${seed}: ${violation}`);
  console.log(`\nseed ${first.seed}, shortened:`);
  const { plan, outcome } = shrink(planOf(first.seed, options), options);
  printTimeline(plan, outcome);
  return 1;
}

function printFaults(reports: readonly Report[]): void {
  const totals = new Map<string, number>();
  for (const { faults } of reports)
    for (const [kind, count] of Object.entries(faults)) totals.set(kind, (totals.get(kind) ?? 0) + count);
  const words = [...totals].toSorted(([, x], [, y]) => y - x).map(([kind, count]) => `${kind} ${count}`);
  console.log(`faults: ${words.join(", ")}`);
}

function printCoverage(reports: readonly Report[], schedules: number): void {
  const sources = fileURLToPath(new URL("../../src/core/decide", import.meta.url));
  const files = summarise(
    reports.flatMap((r) => r.branches),
    sources,
  );
  console.log(`branches of the rules taken by the first ${schedules} schedules:`);
  for (const { file, rules, branches, taken, missing } of files) {
    const lines = missing.length === 0 ? "" : `  not: ${missing.join(" ")}`;
    console.log(`  ${file.padEnd(16)} ${`${taken}/${branches}`.padStart(8)}  ${rules}${lines}`);
  }
}

function printTimeline(plan: Plan, outcome: Outcome): void {
  console.log(`policy ${plan.policy}, tick ${plan.tickMs} ms, healed at ${plan.healAt} ms`);
  for (const fault of plan.faults) console.log(`  ${String(fault.at).padStart(7)} ${describeFault(fault)}`);
  console.log(outcome.violations.length === 0 ? "every invariant held" : outcome.violations.join("\n"));
  for (const { at, host, event, detail } of outcome.log)
    console.log(`${String(Math.round(at)).padStart(7)} ${host} ${event}: ${detail}`);
  for (const { name, state } of Object.values(outcome.world.hosts))
    console.log(state === null ? `${name}: down` : `${name}: ${hostState(state)}, ${sentence(state, state.lastTick)}`);
}
