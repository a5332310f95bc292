// The lab's command line: `npm run lab -- …`. Prepares the machine, makes the namespace, and starts the lab inside it.

import { connect } from "node:net";
import { join } from "node:path";
import { Command, Option } from "commander";
import { buildRpm } from "../../rpm/build.ts";
import { buildAll, root } from "../build.ts";
import { FAULT_HELP } from "./faults.ts";
import { dom0Package } from "./installed/dom0-package.ts";
import type { Packages } from "./installed/install.ts";
import { prepareHostLayer } from "./installed/layer.ts";
import { labUnavailable, prepareImages, prometheusProgram, type Images } from "./packages.ts";
import { POLICIES, policyParameters, type PolicyName } from "./policies.ts";
import { STORAGE_FAMILY, TARGETS, type TargetName } from "./names.ts";
import { asksPrometheus, packageOf, policyOf, scenarioNames } from "./scenario-list.ts";
import { interactiveShell } from "./shell.ts";
import {
  dirOf,
  endLab,
  inSpace,
  isUp,
  LAB_NAME,
  labsOnDisk,
  socketOf,
  startInBackground,
  sweepAbandoned,
} from "./space.ts";
import { walkThrough } from "./walk-through.ts";

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

interface Prepared {
  readonly images: Images;
  /** The package of this checkout, when it is asked for. */
  readonly packages?: Packages;
}

async function ready(fromRpm: false | "installed" | "upgraded"): Promise<Prepared> {
  const reason = await labUnavailable();
  if (reason !== undefined) throw new Error(reason);
  await sweepAbandoned(progress);
  await buildAll();
  const images = await prepareImages(progress);
  if (fromRpm === false) return { images };
  const build = (release: string): Promise<string> =>
    buildRpm({ out: join(root, ".build/rpm-lab"), release, quick: true, progress });
  const tandem = await build("1");
  const newer = fromRpm === "upgraded" ? { newer: await build("2") } : {};
  const dom0 = await dom0Package(join(root, ".build/rpm-lab/dom0"));
  return { images: { ...images, hostLayer: await prepareHostLayer(progress) }, packages: { dom0, tandem, ...newer } };
}

function ask(name: string, words: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(socketOf(name));
    let text = "";
    socket.on("error", () => {
      progress(`No lab "${name}" is up. Start it with: npm run lab -- up`);
      resolve(1);
    });
    socket.on("connect", () => socket.write(`${JSON.stringify(words)}\n`));
    socket.on("data", (chunk) => (text += chunk.toString("utf8")));
    socket.on("end", () => {
      const reply = JSON.parse(text) as { readonly code: number; readonly stdout: string; readonly stderr: string };
      process.stdout.write(reply.stdout);
      process.stderr.write(reply.stderr);
      resolve(reply.code);
    });
  });
}

async function shell(name: string, node: string): Promise<number> {
  if (!isUp(name)) {
    progress(`No lab "${name}" is up. Start it with: npm run lab -- up`);
    return 1;
  }
  progress(`A shell in ${node}; it ends with exit or Ctrl-D, and in any case with Ctrl-].`);
  return interactiveShell(socketOf(name), node, process.stdin, process.stdout);
}

const program = new Command("lab")
  .description("A real two-node pool on this machine: DRBD, tgtd, floating IP, XAPI, tandem.")
  .addOption(new Option("--lab <name>", "which lab").env("TANDEM_LAB").default("main"))
  .enablePositionalOptions()
  .configureHelp({ helpWidth: 80 });
const labName = (): string => {
  const { lab } = program.opts<{ readonly lab: string }>();
  if (!LAB_NAME.test(lab)) throw new Error(`Cannot use the lab name "${lab}": expected 1 to 12 letters or digits`);
  return lab;
};
const exit = (code: number): void => {
  process.exitCode = code;
};
const targetOption = (): Option => new Option("--target <target>", "TARGET_BACKEND").choices(TARGETS).default("tgtd");
const ipv6Option = (): Option => new Option("--ipv6", "the storage network speaks IPv6");
/** The lab's own process takes its addresses from there. */
const speak = (ipv6: boolean | undefined): void => {
  if (ipv6 === true) process.env[STORAGE_FAMILY] = "ipv6";
};
const policyOption = (): Option => new Option("--policy <policy>", "failover policy").choices(POLICIES).default("vote");
const fromRpmOption = (): Option =>
  new Option("--from-rpm", "nodes with systemd as PID 1, on which the package is installed with rpm");

program.action(async () => {
  await ready(false);
  exit(
    await walkThrough(progress, (words) =>
      program.parseAsync(["node", "lab", ...words]).then(() => Number(process.exitCode ?? 0)),
    ),
  );
});
interface UpOptions {
  readonly ipv6?: boolean;
  readonly policy: PolicyName;
  readonly target: TargetName;
  readonly fromRpm?: boolean;
}
program
  .command("up")
  .description("boot a pool and keep it in the background")
  .addOption(policyOption())
  .addOption(fromRpmOption())
  .addOption(targetOption())
  .addOption(ipv6Option())
  .action(async ({ policy, target, fromRpm, ipv6 }: UpOptions) => {
    speak(ipv6);
    const prepared = await ready(fromRpm === true && "installed");
    const name = labName();
    const order = { kind: "serve", name, dir: dirOf(name), ...prepared, target, parameters: policyParameters(policy) };
    exit(await startInBackground(name, order, progress));
  });
program
  .command("down")
  .description("power everything off and remove it")
  .action(async () => {
    if (isUp(labName())) await ask(labName(), ["down"]);
    await endLab(labName());
  });
program
  .command("status")
  .description("power and acknowledged writes")
  .action(async () => exit(await ask(labName(), ["status"])));
program
  .command("log")
  .description("both daemons' logs")
  .action(async () => exit(await ask(labName(), ["log"])));
program
  .command("shell <node>")
  .description("a shell in a node, on this terminal")
  .action(async (node: string) => exit(await shell(labName(), node)));
program
  .command("exec <node> <command...>")
  .description("run one command in a node")
  .passThroughOptions()
  .allowUnknownOption()
  .action(async (node: string, words: string[]) => exit(await ask(labName(), ["exec", node, words.join(" ")])));
for (const verb of ["fault", "heal"] as const) {
  program
    .command(`${verb} <fault>`)
    .description(verb === "fault" ? "break something" : "mend it again")
    .addHelpText("after", `\nFaults:\n  ${FAULT_HELP.join("\n  ")}`)
    .action(async (fault: string) => exit(await ask(labName(), [verb, fault])));
}
interface RunOptions {
  readonly ipv6?: boolean;
  readonly policy: PolicyName;
  readonly target: TargetName;
  readonly repeat: string;
  readonly json?: boolean;
  readonly limits?: boolean;
  readonly fromRpm?: boolean;
}
async function run(scenario: string, options: RunOptions): Promise<number> {
  if (!scenarioNames().includes(scenario))
    throw new Error(`Cannot run "${scenario}": expected one of ${scenarioNames().join(", ")}`);
  const prepared = await ready(packageOf(scenario) ?? (options.fromRpm === true && "installed"));
  const repeat = Number(options.repeat);
  if (!Number.isInteger(repeat) || repeat < 1)
    throw new Error(`Cannot repeat ${options.repeat} times: expected 1 or more`);
  speak(options.ipv6);
  const asks = asksPrometheus(scenario) ? { prometheus: await prometheusProgram(progress) } : {};
  const name = `r${process.pid}`;
  const order = {
    kind: "run",
    name,
    dir: dirOf(name),
    ...prepared,
    ...asks,
    scenario,
    policy: options.policy,
    target: options.target,
    json: options.json === true,
    limits: options.limits !== false,
  };
  return inSpace(name, { ...order, repeat });
}
program
  .command("run <scenario>")
  .description("run a scenario on a fresh pool")
  .addOption(policyOption())
  .addOption(targetOption())
  .addOption(ipv6Option())
  .option("--repeat <n>", "how often; medians are printed", "1")
  .addOption(fromRpmOption())
  .option("--json", "exactly one JSON object on stdout")
  .option("--no-limits", "judge safety only; times are printed, not judged")
  .action(async (scenario: string, options: RunOptions) => exit(await run(scenario, options)));
program
  .command("bench")
  .description("writes through the whole path, by kind of target")
  .option("--rounds <n>", "medians of so many", "3")
  .action(async ({ rounds }: { readonly rounds: string }) => {
    const prepared = await ready(false);
    if (!/^[1-9]\d?$/.test(rounds)) throw new Error(`Cannot measure ${rounds} rounds: expected 1 to 99`);
    const name = `b${process.pid}`;
    exit(await inSpace(name, { kind: "bench", name, dir: dirOf(name), ...prepared, rounds: Number(rounds) }));
  });
program
  .command("all")
  .description("run every scenario once")
  .action(async () => {
    const failed: string[] = [];
    for (const scenario of scenarioNames()) {
      if ((await run(scenario, { policy: policyOf(scenario), target: "tgtd", repeat: "1" })) !== 0)
        failed.push(scenario);
    }
    progress(failed.length === 0 ? "Every scenario passed." : `Failed: ${failed.join(", ")}`);
    exit(failed.length === 0 ? 0 : 1);
  });
interface ChaosOptions {
  readonly policy: PolicyName;
  readonly minutes: string;
  readonly seed?: string;
  readonly round?: string;
}
const wholeNumber = (what: string, text: string): number => {
  if (!/^[1-9][0-9]{0,8}$/.test(text))
    throw new Error(`Cannot use ${what} "${text}": expected a whole number from 1 on`);
  return Number(text);
};
program
  .command("chaos")
  .description("random faults, mended and verified in a loop, until the first violation")
  .addOption(policyOption())
  .option("--minutes <n>", "for how long", "10")
  .option("--seed <n>", "which faults; printed when left out")
  .option("--round <n>", "play this round of the seed alone")
  .action(async ({ policy, minutes, seed, round }: ChaosOptions) => {
    const { images } = await ready(false);
    const name = `c${process.pid}`;
    const order = {
      kind: "chaos",
      name,
      dir: dirOf(name),
      images,
      policy,
      seed: wholeNumber("the seed", seed ?? String(1 + (Date.now() % 999_999))),
      minutes: wholeNumber("the time", minutes),
      round: round === undefined ? null : wholeNumber("the round", round),
    };
    progress(`chaos: policy ${policy}, seed ${order.seed}`);
    exit(await inSpace(name, order));
  });
program
  .command("list")
  .description("the scenarios and the labs that are up")
  .action(() => {
    for (const name of scenarioNames()) process.stdout.write(`${name}\n`);
    for (const lab of labsOnDisk().filter(isUp)) process.stdout.write(`(lab up: ${lab})\n`);
  });

try {
  await program.parseAsync();
} catch (error) {
  progress(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
