// `npm run explore`: exhaustive exploration of the real decision function on two hosts (protocol.md 11, item 3).

import { Command, InvalidArgumentError, Option } from "commander";
import type { Policy } from "../../src/core/model/config.ts";
import { asExpected, type Job, type Outcome } from "./job.ts";
import { LONG, POLICIES, SHORT, soundJob, suite, withoutH1, type Size } from "./jobs.ts";
import { FAULT_KINDS, type FaultKind } from "./moves.ts";
import { runAll } from "./pool.ts";
import { decodeTrace, timeline } from "./trace.ts";
import { SOUND } from "./world.ts";

interface Options {
  readonly short: boolean;
  readonly only?: string;
  readonly states?: number;
  readonly budget?: number;
  readonly policy?: Policy;
  readonly remove: readonly string[];
  readonly faults?: readonly FaultKind[];
  readonly h1: boolean;
  readonly live?: number;
  readonly audit?: number;
  readonly threads?: number;
  readonly replay?: string;
}

function count(text: string): number {
  const n = Number(text.replaceAll("_", ""));
  if (!Number.isInteger(n) || n < 0) throw new InvalidArgumentError("expected a whole number");
  return n;
}

function kinds(text: string): FaultKind[] {
  return text.split(",").map((name) => {
    const kind = FAULT_KINDS.find((k) => k === name);
    if (kind === undefined) throw new InvalidArgumentError(`expected some of ${FAULT_KINDS.join(",")}`);
    return kind;
  });
}

const collect = (rule: string, rules: readonly string[]): readonly string[] => [...rules, rule];

const program = new Command("explore")
  .description(
    "Visits every state that two hosts can reach with the real decision function and a number of faults, and checks the invariants of protocol.md 10 in each. Without --policy: the whole suite, violations of H1 included.",
  )
  .option("--short", "the part that belongs to npm test", false)
  .option("--only <name>", "of the suite only the searches with this in their names")
  .option("--states <n>", "end a search when it knows this many distinct states", count)
  .option("--budget <n>", "most faults", count)
  .addOption(new Option("--policy <policy>", "search this policy only").choices([...POLICIES]))
  .option("--remove <rule>", "switch a rule off and print the first counterexample; may be repeated", collect, [])
  .option("--faults <kinds>", `only these kinds of faults: ${FAULT_KINDS.join(",")}`, kinds)
  .option("--no-h1", "let both votes pass while no heartbeat does")
  .option("--live <n>", "try liveness from every n-th state; 0 = not at all", count)
  .option("--audit <n>", "try the reduction on every n-th computed step; 0 = not at all", count)
  .option("--threads <n>", "searches at a time", count)
  .option("--replay <trace>", "tell the timeline of a trace (with the --policy and --remove it was found with)")
  .parse();
const options = program.opts<Options>();

function chosen(): readonly Job[] {
  const base: Size = options.short ? SHORT : LONG;
  const size: Size = {
    budget: options.budget ?? base.budget,
    maxStates: options.states ?? base.maxStates,
    liveEvery: options.live ?? base.liveEvery,
    auditEvery: options.audit ?? base.auditEvery,
  };
  const rules = options.remove;
  if (options.policy === undefined && rules.length === 0) {
    const found = suite(size).filter(({ name }) => name.includes(options.only ?? ""));
    const names = (): string =>
      suite(size)
        .map(({ name }) => `"${name}"`)
        .join(", ");
    return found.length > 0 ? found : program.error(`error: no search has that in its name; there are ${names()}`);
  }
  const policies = options.policy === undefined ? POLICIES : [options.policy];
  return policies.map((policy) => {
    const job = options.h1 ? soundJob(policy, size) : withoutH1(policy, size);
    const faults = options.faults ?? job.faults;
    if (rules.length === 0) return { ...job, faults };
    return {
      ...job,
      faults,
      name: `${policy} without ${rules.join(", ")}`,
      removedRules: rules,
      expect: "any violation",
    };
  });
}

const number = (n: number): string => Math.round(n).toLocaleString("en");

const speeds = (states: number, transitions: number, seconds: number): string =>
  `${number(states / seconds)} states/s, ${number(transitions / seconds)} transitions/s`;

function print(outcome: Outcome): void {
  const { job, violation } = outcome;
  const verdict = asExpected(outcome) ? "ok    " : "FAILED";
  const whole = outcome.layers.filter((l) => l.whole).at(-1);
  console.log(`\n${verdict} ${job.name}: ${violation ?? "no violation"}`);
  for (const l of outcome.layers)
    console.log(`         ${l.faults} faults: ${number(l.to - l.from)} new states${l.whole ? "" : " (not all)"}`);
  console.log(
    `         ${number(outcome.states)} distinct states, every one with up to ${whole?.faults ?? 0} faults; ${number(outcome.transitions)} transitions`,
  );
  console.log(
    `         depth ${outcome.depth}; ${outcome.searchSeconds.toFixed(1)} s: ${speeds(outcome.states, outcome.transitions, outcome.searchSeconds)}; ${outcome.seconds.toFixed(1)} s in all`,
  );
  console.log(
    `         ${number(outcome.events)} events on ${outcome.locals.map(number).join(" + ")} states of one host; step ran ${number(outcome.steps)} times, ${number(outcome.audited)} audited`,
  );
  if (outcome.lived > 0)
    console.log(`         from ${number(outcome.lived)} states, repaired: served within ${outcome.slowestTicks} ticks`);
  if (violation === null) return;
  console.log(`         ${outcome.faults} faults, ${outcome.moves} moves; --replay ${outcome.trace ?? ""}`);
  const shown = job.expect === "holds" || job.removedRules.length > 0 || options.policy !== undefined;
  if (shown) console.log(outcome.timeline.map((line) => `         ${line}`).join("\n"));
}

if (options.replay !== undefined) {
  const variant = { policy: options.policy ?? "vote", removedRules: options.remove };
  console.log(timeline(variant, { ...SOUND, h1: options.h1 }, decodeTrace(options.replay)).join("\n"));
} else {
  let failed = false;
  const begun = performance.now();
  let transitions = 0;
  await runAll(
    chosen(),
    (outcome) => {
      print(outcome);
      failed ||= !asExpected(outcome);
      transitions += outcome.transitions;
    },
    options.short
      ? {}
      : {
          layer: (job, { faults, fresh, states }) =>
            console.log(`${job.name}: ${faults} faults, ${number(fresh)} new, ${number(states)} states`),
          progress: (job, { faults, states, transitions, seconds }) =>
            console.log(
              `${job.name}: ${number(states)} states, at ${faults} faults; ${speeds(states, transitions, seconds)}`,
            ),
        },
    options.threads,
  );
  const seconds = (performance.now() - begun) / 1000;
  console.log(
    `\n${number(transitions)} transitions in ${seconds.toFixed(1)} s = ${number(transitions / seconds)}/s in all`,
  );
  process.exitCode = failed ? 1 : 0;
}
