// npm run bench: everything that is measured, in parts; what needs the lab says so where the lab cannot run.

import { Command, Option } from "commander";
import { labUnavailable } from "../lab/packages.ts";
import { POLICIES, type PolicyName } from "../lab/policies.ts";
import { runCommand } from "../lab/run-command.ts";
import { daemonCost } from "./daemon.ts";
import { failover, labMain } from "./failover.ts";
import { lossRow, lossTable } from "./loss.ts";
import { machine } from "./machine.ts";
import { packageStart } from "./package.ts";
import { poolPass } from "./pool-pass.ts";
import { rates } from "./rates.ts";
import { measure, table } from "./table.ts";

interface Options {
  readonly repeat: string;
  readonly scenario: readonly string[];
  readonly policy: readonly PolicyName[];
}
interface Part {
  readonly about: string;
  readonly lab: boolean;
  /** Returns what is printed; prints by itself what takes long. False: something did not pass. */
  readonly run: (repeat: number, options: Options) => Promise<string | boolean>;
}

const PASS_REPEATS = 9;
const POOLS = [
  [8, 125],
  [16, 250],
  [32, 500],
  [64, 1_000],
] as const;
const LOSSES = [0, 5, 10, 20, 30] as const;
const LUN_MS = 60 * 60_000;

const progress = (text: string): void => void process.stderr.write(`${text}\n`);
const passes = (title: string, sizes: readonly (readonly [hosts: number, vms: number])[]): string =>
  table(
    title,
    "VM",
    measure(
      sizes.map(([hosts, vms]) => poolPass(hosts, vms)),
      PASS_REPEATS,
    ),
  );

const PARTS: Readonly<Record<string, Part>> = {
  decisions: {
    about: "a pass of the leader against the size of the pool",
    lab: false,
    run: () =>
      Promise.resolve(
        [
          passes("One pass of the leader: hosts and VMs grow together", POOLS),
          "",
          passes(
            "One pass of the leader: 64 hosts, the VMs grow",
            POOLS.map(([, vms]) => [64, vms] as const),
          ),
        ].join("\n"),
      ),
  },
  loss: {
    about: "false suspicions and acts at 0 to 30 % loss of heartbeats",
    lab: false,
    run: () =>
      Promise.resolve(
        lossTable(([2, 1] as const).flatMap((links) => LOSSES.map((percent) => lossRow(percent, links, 10, 12)))),
      ),
  },
  rates: { about: "simulator, explorer, mutants", lab: false, run: () => rates(progress) },
  package: { about: "size and start of the package", lab: false, run: () => packageStart(progress) },
  daemon: { about: "processor, memory, processes, idle and busy", lab: true, run: () => daemonCost(progress) },
  lun: { about: "throughput of the LUN by kind of target", lab: true, run: (repeat) => throughput(repeat) },
  failover: {
    about: "stalls of the scenarios under the policies",
    lab: true,
    run: (repeat, { scenario, policy }) =>
      failover({ repeat, scenarios: scenario, policies: policy }, (line) => console.log(line)),
  },
};

async function throughput(rounds: number): Promise<string> {
  const args = ["--disable-warning=ExperimentalWarning", labMain, "bench", "--rounds", String(rounds)];
  const { code, stdout, stderr } = await runCommand(process.execPath, args, { timeoutMs: LUN_MS });
  return code === 0 ? stdout.trim() : `The LUN was not measured: ${stderr.trim().split("\n").at(-1) ?? ""}`;
}

const names = Object.keys(PARTS);
const program = new Command("bench")
  .description("Measures what tandem does, and prints tables. Without a part: all of them, for some hours.")
  .argument("[parts...]", `which of: ${names.join(", ")}`)
  .option("--repeat <n>", "medians of so many runs on the lab", "3")
  .option("--scenario <names...>", "failover: these ones", [])
  .addOption(new Option("--policy <policies...>", "failover: under these").choices(POLICIES).default([]))
  .configureHelp({ helpWidth: 80 })
  .addHelpText(
    "after",
    `\nParts:\n${names.map((name) => `  ${name.padEnd(10)} ${PARTS[name]?.about ?? ""}`).join("\n")}`,
  )
  .action(async (wanted: readonly string[], options: Options) => {
    const unknown = wanted.filter((name) => PARTS[name] === undefined);
    if (unknown.length > 0)
      throw new Error(`Cannot measure ${unknown.join(", ")}: expected some of ${names.join(", ")}`);
    const repeat = Number(options.repeat);
    if (!Number.isInteger(repeat) || repeat < 1 || repeat > 99)
      throw new Error(`Cannot repeat ${options.repeat} times: expected 1 to 99`);
    console.log(machine());
    const unavailable = await labUnavailable();
    for (const name of wanted.length > 0 ? wanted : names) {
      const part = PARTS[name];
      if (part === undefined) continue;
      console.log("");
      if (part.lab && unavailable !== undefined) console.log(`Not measured: ${part.about}. ${unavailable}`);
      else {
        const said = await part.run(repeat, options);
        if (typeof said === "string") console.log(said);
        else if (!said) process.exitCode = 1;
      }
    }
  });

try {
  await program.parseAsync();
} catch (error) {
  progress(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
