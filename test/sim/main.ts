// npm run sim -- --seeds N [--hosts H] [--from S] [--policy P] [--long] [--violate-h1] [--remove RULE] | --replay SEED [...]
// Schedules of faults on two simulated hosts, or on 3 to 5 of them (--hosts 4, --hosts 3-5), on all cores. Exits 1 when an invariant broke, with the seed, the invariant
// and the shortest schedule and timeline that still break it.

import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import type { Policy } from "../../src/core/model/config.ts";
import { summarise } from "./coverage.ts";
import { play, type Played, type PlayOptions } from "./play.ts";
import { SIMULATED_POLICIES } from "./schedule.ts";
import { unexplained, untrue } from "./unreached.ts";
import type { Job, Report } from "./worker.ts";

const USAGE =
  "usage: npm run sim -- --seeds N [--hosts H] [--from S] [--policy P] [--long] [--violate-h1] [--remove RULE] | --replay SEED";
const COVERED = 2000;

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    from: { type: "string", default: "0" },
    hosts: { type: "string", default: "2" },
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

function sizes(text: string): readonly number[] {
  const [, low, high = low] = /^([2-5])(?:-([2-5]))?$/.exec(text) ?? [];
  if (low === undefined || high === undefined || (low === "2" && high !== "2") || high < low)
    stop(`Cannot simulate ${text} hosts: expected 2 (the storage pair), 3, 4, 5, or a range such as 3-5`);
  return Array.from({ length: Number(high) - Number(low) + 1 }, (_, i) => Number(low) + i);
}

const { policy } = values;
if (policy !== undefined && !isPolicy(policy))
  stop(`Cannot simulate policy ${policy}: expected ${SIMULATED_POLICIES.join(", ")}`);

const options: PlayOptions = {
  hosts: sizes(values.hosts),
  policies: policy === undefined ? SIMULATED_POLICIES : [policy],
  long: values.long,
  violateH1: values["violate-h1"],
  removedRules: values.remove === undefined ? [] : [values.remove],
};

if (values.replay !== undefined) {
  const played = play(wholeNumber("replay", values.replay), options);
  printTimeline(played);
  process.exit(played.violations.length > 0 ? 1 : 0);
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

/** A range of seeds on all cores. */
function onAllCores(from: number, seeds: number, coverage: boolean): Promise<readonly Report[]> {
  const workers = availableParallelism();
  const jobs = Array.from({ length: workers }, (_, worker) => ({ from, seeds, worker, workers, coverage, options }));
  return Promise.all(jobs.map(run));
}

async function simulate(seeds: number, from: number): Promise<number> {
  const begun = performance.now();
  const workers = availableParallelism();
  const covered = Math.min(COVERED, seeds);
  // Counters stay in the code that V8 compiled with them: the rest runs in threads of its own, twice as fast.
  const reports = [
    ...(await onAllCores(from, covered, true)),
    ...(await onAllCores(from + covered, seeds - covered, false)),
  ];
  const seconds = (performance.now() - begun) / 1000;
  const sum = (pick: (report: Report) => number): number => reports.reduce((total, r) => total + pick(r), 0);
  const counted = sum((r) => r.counted);
  const ran = counted + sum((r) => r.tooSmall + r.outside + r.failures.length);
  console.log(
    `${counted} schedules of ${values.hosts} hosts from seed ${from} hold, of ${options.policies.join(", ")}; in ${seconds.toFixed(1)} s:`,
  );
  console.log(
    `${(ran / seconds).toFixed(0)} schedules/s, ${Math.round(sum((r) => r.steps) / seconds)} steps/s, on ${workers} threads`,
  );
  console.log(
    `${Math.round(sum((r) => r.virtualMs) / ran / 1000)} virtual seconds each; healed to settled in at most ${(Math.max(...reports.map((r) => r.slowestMs)) / 1000).toFixed(1)} s`,
  );
  console.log(
    `not counted: ${sum((r) => r.tooSmall)} too short or with too few faults, ${sum((r) => r.outside)} in which chance broke H1 or F5`,
  );
  printFaults(reports);
  const wrong = printCoverage(reports, covered);
  const failures = reports.flatMap((r) => r.failures).toSorted((a, b) => a.seed - b.seed);
  const first = failures[0];
  if (first === undefined) return wrong.length > 0 ? 1 : 0;
  console.log(`\n${failures.length} schedules failed (the rest was not run after 20 on one thread):`);
  for (const { seed, violation } of failures) console.log(`  seed ${seed}: ${violation}`);
  console.log(`\nseed ${first.seed}, shortened:`);
  printTimeline(play(first.seed, options, true));
  return 1;
}

function printFaults(reports: readonly Report[]): void {
  const totals = new Map<string, number>();
  for (const { faults } of reports)
    for (const [kind, count] of Object.entries(faults)) totals.set(kind, (totals.get(kind) ?? 0) + count);
  const words = [...totals].toSorted(([, x], [, y]) => y - x).map(([kind, count]) => `${kind} ${count}`);
  console.log(`faults: ${words.join(", ")}`);
}

/** Answers what is not true of the list of branches that cannot be taken. */
function printCoverage(reports: readonly Report[], schedules: number): readonly string[] {
  const files = summarise(reports.flatMap((r) => r.branches));
  console.log(`branches of the rules taken by the first ${schedules} schedules:`);
  for (const one of files) {
    const { file, rules, branches, taken, missing } = one;
    const open = unexplained(one);
    const reasons = missing.length - open.length;
    const lines = open.length === 0 ? "" : `  not: ${open.join(" ")}`;
    const explained = reasons === 0 ? "" : ` (${reasons} cannot be, test/sim/unreached.ts)`;
    console.log(`  ${file.padEnd(24)} ${`${taken}/${branches - reasons}`.padStart(8)}  ${rules}${explained}${lines}`);
  }
  // A smaller part of the world may leave whole functions out, and says nothing about a branch in them.
  const whole = schedules === COVERED && policy === undefined && options.hosts.length === 1 && values.hosts === "2";
  const wrong = whole && values.remove === undefined ? untrue(files) : [];
  for (const sentence of wrong) console.log(sentence);
  return wrong;
}

function printTimeline({ title, faults, violations, log, ends }: Played): void {
  console.log(title);
  for (const { at, words } of faults) console.log(`  ${String(at).padStart(7)} ${words}`);
  console.log(violations.length === 0 ? "every invariant held" : violations.join("\n"));
  for (const { at, host, event, detail } of log)
    console.log(`${String(Math.round(at)).padStart(7)} ${host} ${event}: ${detail}`);
  for (const end of ends()) console.log(end);
}
