// What the daemon costs a host: processor, memory, page faults and processes, idle and while the storage moves to and fro.

import type { Counters } from "../../src/drivers/control/counters.ts";
import { labMain } from "./failover.ts";
import { must, runCommand } from "../lab/run-command.ts";
import { NODES, type NodeName } from "../lab/names.ts";

const LAB = "bench";
const SECONDS = 60;
const SETTLE_MS = 60_000;
const SWITCHES = 6;
const SOCKET = "/run/tandem/tandemd.sock";
/** The daemon's own counters, in one line, and the kernel's. */
const READ = [
  `${process.execPath} -e 'const s = require("net").connect("${SOCKET}", () => s.write("{\\"kind\\":\\"metrics\\"}\\n")); let t = "";`,
  `s.on("data", (d) => { t += d; if (t.includes("\\n")) { console.log(t.split("\\n")[0]); process.exit(); } })'`,
].join(" ");

export interface Reading {
  readonly counters: Pick<Counters, "uptimeMs" | "cpuMs" | "residentBytes" | "processesStarted" | "xapiCalls">;
  readonly minorFaults: number;
}

/** From the daemon's answer and the line of /proc/PID/stat after it (proc(5): minflt is field 10). */
export function reading(text: string): Reading {
  const [answer = "", stat = ""] = text.trim().split("\n");
  const { counters } = JSON.parse(answer) as Reading;
  // The second field is the program's name in brackets and may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(") ") + 2).split(" ");
  return { counters, minorFaults: Number(fields[10 - 3]) };
}

export function daemonRow(
  name: string,
  { counters: from, ...first }: Reading,
  { counters: to, ...last }: Reading,
): string {
  const ms = to.uptimeMs - from.uptimeMs;
  const aMinute = (count: number): string => ((count / ms) * 60_000).toFixed(1);
  const cells = [
    `${(((to.cpuMs - from.cpuMs) / ms) * 100).toFixed(1)} %`,
    `${(to.residentBytes / 1e6).toFixed(1)} MB`,
    (((last.minorFaults - first.minorFaults) / ms) * 1_000).toFixed(0),
    aMinute(to.processesStarted - from.processesStarted),
    aMinute(to.xapiCalls - from.xapiCalls),
  ];
  return row(name, cells);
}

const row = (name: string, cells: readonly string[]): string =>
  name.padEnd(28) + cells.map((cell) => cell.padStart(10)).join("");

const lab = (args: readonly string[], timeoutMs: number): Promise<string> =>
  must(process.execPath, ["--disable-warning=ExperimentalWarning", labMain, "--lab", LAB, ...args], { timeoutMs });

async function sample(node: NodeName): Promise<readonly [Reading, Reading]> {
  const read = `${READ}; cat /proc/$(pgrep -o -f tandemd.mjs)/stat`;
  const script = `${read}; echo ====; sleep ${SECONDS}; ${read}`;
  const [from = "", to = ""] = (await lab(["exec", node, script], (SECONDS + 60) * 1_000)).split("====\n");
  return [reading(from), reading(to)];
}

export async function daemonCost(progress: (text: string) => void): Promise<string> {
  const head = row("", ["processor", "memory", "faults/s", "starts/min", "XAPI/min"]);
  const lines = [`The daemon in a node, HA on, ${SECONDS} s; XAPI: its calls, the blocked event.from included`, head];
  const both = async (name: string): Promise<void> => {
    progress(`the daemon: ${name}`);
    const readings = await Promise.all(NODES.map(sample));
    NODES.forEach((node, i) => {
      const pair = readings[i];
      if (pair !== undefined) lines.push(daemonRow(`${name}, ${node}`, ...pair));
    });
  };
  try {
    progress("the daemon: a pool boots and settles");
    await lab(["up"], 300_000);
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    await both("idle");
    await Promise.all([both(`${SWITCHES} planned switches`), switchToAndFro()]);
  } finally {
    await runCommand(process.execPath, ["--disable-warning=ExperimentalWarning", labMain, "--lab", LAB, "down"]);
  }
  return lines.join("\n");
}

async function switchToAndFro(): Promise<void> {
  for (let i = 0; i < SWITCHES; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, (SECONDS * 1_000) / (SWITCHES + 1)));
    await lab(["exec", i % 2 === 0 ? "xcp1" : "xcp2", "iscsi-cfg switch"], 60_000);
  }
}
