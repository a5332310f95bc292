// The result of a scenario run: its one JSON shape, and the same for a person's eyes.

import type { PolicyName } from "./policies.ts";

export interface ScenarioResult {
  readonly scenario: string;
  readonly policy: PolicyName;
  readonly passed: boolean;
  readonly stallMs: { readonly max: number | null; readonly median: number | null };
  readonly suspectMs: number | null;
  readonly deadMs: number | null;
  readonly storageBackMs: number | null;
  readonly vmsStartingMs: number | null;
  readonly ackedWritesLost: number | null;
  readonly doubleRuns: number | null;
  readonly twoWriters: number | null;
  readonly timeline: readonly {
    readonly atMs: number;
    readonly node: string;
    readonly event: string;
    readonly detail: string;
  }[];
  readonly why: string | null;
}

const number = (value: number | null): string => (value === null ? "-" : String(value));

/** From shortly before the fault on, at most 80 columns. */
export function printResult(result: ScenarioResult, print: (text: string) => void): void {
  print("\n    ms  node  event");
  for (const e of result.timeline.filter((line) => line.atMs >= -500)) {
    print(`${String(e.atMs).padStart(6)}  ${e.node.padEnd(4)}  ${`${e.event}: ${e.detail}`.slice(0, 66)}`);
  }
  print(
    `\n${result.passed ? "PASSED" : "FAILED"} ${result.scenario} (${result.policy})${result.why === null ? "" : `: ${result.why}`}`,
  );
  print(`  longest stall ${number(result.stallMs.max)} ms (median ${number(result.stallMs.median)} ms)`);
  print(`  suspected ${number(result.suspectMs)} ms, dead ${number(result.deadMs)} ms`);
  print(`  storage back ${number(result.storageBackMs)} ms, VMs starting ${number(result.vmsStartingMs)} ms`);
  print(
    `  lost writes ${number(result.ackedWritesLost)}, doubled VMs ${number(result.doubleRuns)}, two writers ${number(result.twoWriters)}`,
  );
}

export function printTable(results: readonly ScenarioResult[], print: (text: string) => void): void {
  const columns: readonly (readonly [string, (r: ScenarioResult) => number | null])[] = [
    ["stall", (r) => r.stallMs.max],
    ["suspect", (r) => r.suspectMs],
    ["dead", (r) => r.deadMs],
    ["back", (r) => r.storageBackMs],
    ["VMs", (r) => r.vmsStartingMs],
    ["lost", (r) => r.ackedWritesLost],
    ["double", (r) => r.doubleRuns],
  ];
  print(`\nrun     ${columns.map(([name]) => name.padStart(8)).join("")}`);
  results.forEach((r, i) => {
    print(
      `${String(i + 1).padEnd(3)}${r.passed ? "ok   " : "FAIL "}${columns.map(([, pick]) => number(pick(r)).padStart(8)).join("")}`,
    );
  });
  const middle = columns.map(([, pick]) => {
    const values = results
      .map(pick)
      .filter((v) => v !== null)
      .toSorted((a, b) => a - b);
    return number(values[Math.floor((values.length - 1) / 2)] ?? null).padStart(8);
  });
  print(`median  ${middle.join("")}`);
}
