// `npm test`: types, lint and format, unit and contract tests, and a short lab part; the time of each part is printed.

import { spawn } from "node:child_process";
import { globSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Argument, Command } from "commander";
import { buildAll } from "./build.ts";
import { labUnavailable } from "./lab/packages.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (name: string): string => join(root, "node_modules/.bin", name);

interface Part {
  readonly name: string;
  readonly run: () => Promise<number>;
}

function call(file: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    child.on("error", (error) => {
      console.error(error.message);
      resolve(127);
    });
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

/** One after the other; the worst exit code. */
async function each(calls: readonly (readonly [string, readonly string[]])[]): Promise<number> {
  let worst = 0;
  for (const [file, args] of calls) worst = Math.max(worst, await call(file, args));
  return worst;
}

const nodeTest = (files: readonly string[], concurrency: number): Promise<number> =>
  call(process.execPath, [
    "--disable-warning=ExperimentalWarning",
    "--test",
    `--test-concurrency=${concurrency}`,
    "--test-reporter=dot",
    "--test-reporter-destination=stdout",
    "--test-reporter=spec",
    `--test-reporter-destination=${join(root, ".build/test-report.txt")}`,
    "--test-reporter=./test/summary-reporter.mjs",
    "--test-reporter-destination=stdout",
    ...files,
  ]);

const parts: Readonly<Record<string, Part>> = {
  check: {
    name: "types, lint, format",
    run: () =>
      each([
        [bin("tsc"), ["-p", "tsconfig.json"]],
        [bin("tsc"), ["-p", "tsconfig.core.json"]],
        [bin("oxlint"), ["--type-aware", "--quiet", "src", "test", "rpm"]],
        [bin("prettier"), ["--check", "--log-level", "warn", "."]],
      ]),
  },
  build: { name: "bundles", run: async () => ((await buildAll()).length > 0 ? 0 : 1) },
  unit: {
    name: "unit, driver and contract tests",
    run: () => nodeTest(globSync("test/**/*.test.ts", { cwd: root }).toSorted(), 2),
  },
  sim: {
    name: "simulator: 20,000 schedules of faults on two hosts, 2,000 on three to five",
    run: () =>
      each([
        [process.execPath, ["test/sim/main.ts", "--seeds", "20500"]],
        [process.execPath, ["test/sim/main.ts", "--hosts", "3-5", "--seeds", "2000"]],
      ]),
  },
  explore: {
    name: "exhaustive exploration, short form",
    run: () => call(process.execPath, ["--disable-warning=ExperimentalWarning", "test/explore/main.ts", "--short"]),
  },
  mutants: {
    name: "mutants: every rule taken out breaks what it protects",
    run: () => call(process.execPath, ["--disable-warning=ExperimentalWarning", "test/mutation/main.ts"]),
  },
  lab: { name: "lab: planned-switch, master-power-loss", run: () => nodeTest(["test/system/lab.system.ts"], 1) },
  chaos: { name: "chaos: random faults on the lab", run: () => nodeTest(["test/system/chaos.system.ts"], 1) },
};

mkdirSync(join(root, ".build"), { recursive: true });
const program = new Command("test")
  .description("Runs what must hold before a change is taken, and prints the time of each part.")
  .addArgument(new Argument("[parts...]", "all of them where none is named").choices(Object.keys(parts)))
  .addHelpText(
    "after",
    `\nParts:\n${Object.entries(parts)
      .map(([key, { name }]) => `  ${key.padEnd(8)} ${name}`)
      .join("\n")}`,
  )
  .parse();
const chosen = program.args.length === 0 ? Object.keys(parts) : program.args;
const times: string[] = [];
let failed = false;
for (const name of chosen) {
  const part = parts[name];
  if (part === undefined) continue;
  console.log(`\n── ${part.name}`);
  const begun = Date.now();
  const code = await part.run();
  failed ||= code !== 0;
  times.push(
    `${code === 0 ? "ok    " : "FAILED"} ${((Date.now() - begun) / 1000).toFixed(1).padStart(7)} s  ${part.name}`,
  );
}
console.log(`\n${times.join("\n")}`);
const reason = chosen.includes("lab") || chosen.includes("chaos") ? await labUnavailable() : undefined;
if (reason !== undefined) console.log(`What needs the lab was SKIPPED, not passed. ${reason}`);
process.exit(failed ? 1 : 0);
