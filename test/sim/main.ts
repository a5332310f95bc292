// `npm run sim`: schedules of faults on two simulated hosts, or on 3 to 5 of them, on all cores. Exits 1 when an invariant broke,
// with the seed, the invariant and the shortest schedule and timeline that still break it.

import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Command, InvalidArgumentError, Option } from "commander";
import type { Policy } from "../../src/core/model/config.ts";
import { summarise } from "./coverage.ts";
import { play, type Played, type PlayOptions } from "./play.ts";
import { SIMULATED_POLICIES } from "./schedule.ts";
import { unexplained, untrue } from "./unreached.ts";
import type { Job, Message, Report } from "./worker.ts";

const COVERED = 2000;

interface Options {
  readonly seeds?: number;
  readonly from: number;
  readonly hosts: readonly number[];
  readonly policy?: Policy;
  readonly long: boolean;
  readonly violateH1: boolean;
  readonly remove: readonly string[];
  readonly replay?: number;
}

function count(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new InvalidArgumentError("expected a whole number");
  return number;
}

function sizes(text: string): readonly number[] {
  const [, low, high = low] = /^([2-5])(?:-([2-5]))?$/.exec(text) ?? [];
  if (low === undefined || high === undefined || (low === "2" && high !== "2") || high < low)
    throw new InvalidArgumentError("expected 2 (the storage pair), 3, 4, 5, or a range such as 3-5");
  return Array.from({ length: Number(high) - Number(low) + 1 }, (_, i) => Number(low) + i);
}

const collect = (rule: string, rules: readonly string[]): readonly string[] => [...rules, rule];

const program = new Command("sim")
  .description(
    "Plays schedules of faults on simulated hosts with the real decision function in virtual time, checks the invariants of protocol.md 10 after every event, heals, and demands that the pool settles.",
  )
  .option("--seeds <n>", "how many schedules", count)
  .option("--from <seed>", "the first one", count, 0)
  .addOption(
    new Option("--hosts <sizes>", "2, or more in which two have the storage: 4, 3-5")
      .argParser(sizes)
      .default([2], "2"),
  )
  .addOption(new Option("--policy <policy>", "this policy only").choices([...SIMULATED_POLICIES]))
  .option("--long", "more faults, for longer", false)
  .option("--violate-h1", "let both votes pass while no heartbeat does", false)
  .option("--remove <rule>", "switch a rule off; may be repeated", collect, [])
  .option("--replay <seed>", "tell the timeline of one schedule (with the options it was found with)", count)
  .parse();
const given = program.opts<Options>();
const { hosts, policy } = given;
const options: PlayOptions = {
  hosts,
  policies: policy === undefined ? SIMULATED_POLICIES : [policy],
  long: given.long,
  violateH1: given.violateH1,
  removedRules: given.remove,
};

if (given.replay !== undefined) {
  const played = play(given.replay, options);
  printTimeline(played);
  process.exit(played.violations.length > 0 ? 1 : 0);
}
const seeds = given.seeds ?? program.error("error: --seeds or --replay is missing; --help tells of both");
process.exit(await simulate(seeds, given.from));

function run(job: Job, onPlayed: (schedules: number) => void): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(new URL("worker.ts", import.meta.url)), { workerData: job });
    worker.on("message", (message: Message) => {
      if (message.kind === "played") onPlayed(message.schedules);
      else resolve(message.report);
    });
    worker.once("error", reject);
  });
}

/** On a terminal one line that stays the last. */
function progress(seeds: number): { readonly played: (schedules: number) => void; readonly end: () => void } {
  let done = 0;
  const isShown = process.stderr.isTTY;
  return {
    played(schedules) {
      done += schedules;
      if (isShown) process.stderr.write(`\r${done} of ${seeds} schedules`);
    },
    end: () => void (isShown && process.stderr.write("\r\u001B[K")),
  };
}

/** A range of seeds on all cores. */
function onAllCores(
  from: number,
  seeds: number,
  coverage: boolean,
  onPlayed: (schedules: number) => void,
): Promise<readonly Report[]> {
  const workers = availableParallelism();
  const jobs = Array.from({ length: workers }, (_, worker) => ({ from, seeds, worker, workers, coverage, options }));
  return Promise.all(jobs.map((job) => run(job, onPlayed)));
}

async function simulate(seeds: number, from: number): Promise<number> {
  const begun = performance.now();
  const workers = availableParallelism();
  const covered = Math.min(COVERED, seeds);
  // Counters stay in the code that V8 compiled with them: the rest runs in threads of its own, twice as fast.
  const { played, end } = progress(seeds);
  const reports = [
    ...(await onAllCores(from, covered, true, played)),
    ...(await onAllCores(from + covered, seeds - covered, false, played)),
  ];
  end();
  const seconds = (performance.now() - begun) / 1000;
  const sum = (pick: (report: Report) => number): number => reports.reduce((total, r) => total + pick(r), 0);
  const counted = sum((r) => r.counted);
  const ran = counted + sum((r) => r.tooSmall + r.outside + r.failures.length);
  console.log(
    `${counted} schedules of ${hosts.join(", ")} hosts from seed ${from} hold, of ${options.policies.join(", ")}; in ${seconds.toFixed(1)} s:`,
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
  const whole = schedules === COVERED && policy === undefined && hosts.join() === "2";
  const wrong = whole && given.remove.length === 0 ? untrue(files) : [];
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
