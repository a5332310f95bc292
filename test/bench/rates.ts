// How fast the simulator and the explorer run: their own programs, and the rates that they print.

import { join } from "node:path";
import { root } from "../build.ts";
import { must } from "../lab/run-command.ts";

interface Rate {
  readonly program: string;
  readonly args: readonly string[];
  readonly rate: RegExp;
  readonly unit: string;
}

const RUN_MS = 20 * 60_000;
const RATES: readonly Rate[] = [
  { program: "sim", args: ["--seeds", "4000"], rate: /([\d.,]+) schedules\/s/, unit: "schedules/s" },
  { program: "sim", args: ["--hosts", "3-5", "--seeds", "600"], rate: /([\d.,]+) schedules\/s/, unit: "schedules/s" },
  { program: "explore", args: ["--short"], rate: /= ([\d.,]+)\/s in all/, unit: "transitions/s" },
  { program: "mutation", args: [], rate: /break what they must, in ([\d.,]+) s/, unit: "s in all" },
];

export async function rates(progress: (text: string) => void): Promise<string> {
  const lines: string[] = [];
  for (const { program, args, rate, unit } of RATES) {
    const name = [program, ...args].join(" ");
    progress(name);
    const main = join(root, "test", program, "main.ts");
    const text = await must(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
      timeoutMs: RUN_MS,
    });
    lines.push(`${name.padEnd(32)}${(rate.exec(text)?.[1] ?? "said nothing").padStart(14)} ${unit}`);
  }
  return ["Simulator, explorer and mutants on all processors", ...lines].join("\n");
}
