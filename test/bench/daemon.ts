// What the daemon costs a host: processor, memory, page faults and processes, idle and while the storage moves to and fro.

import { labMain } from "./failover.ts";
import { must, runCommand } from "../lab/run-command.ts";
import { NODES, type NodeName } from "../lab/names.ts";

const LAB = "bench";
const SECONDS = 60;
const SETTLE_MS = 60_000;
const SWITCHES = 6;
/** Of the measuring itself: a sleep and a cat. */
const OWN_PROCESSES = 2;
const TICKS_PER_SECOND = 100;
const PAGE_KB = 4;

export interface Reading {
  readonly ticks: number;
  readonly minorFaults: number;
  readonly rssPages: number;
  /** Started on the whole node since its boot. */
  readonly processes: number;
}

/** From /proc/PID/stat (proc(5): minflt is field 10, utime 14, stime 15, rss 24) and the line "processes" of /proc/stat. */
export function reading(text: string): Reading {
  // The second field is the program's name in brackets and may hold blanks.
  const fields = text.slice(text.lastIndexOf(") ") + 2).split(/[ \n]/);
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    ticks: field(14) + field(15),
    minorFaults: field(10),
    rssPages: field(24),
    processes: Number(/^processes (\d+)$/m.exec(text)?.[1]),
  };
}

export function daemonRow(name: string, from: Reading, to: Reading, seconds: number): string {
  const cells = [
    `${(((to.ticks - from.ticks) / TICKS_PER_SECOND / seconds) * 100).toFixed(1)} %`,
    `${((to.rssPages * PAGE_KB) / 1000).toFixed(1)} MB`,
    `${((to.minorFaults - from.minorFaults) / seconds).toFixed(0)}`,
    `${(((to.processes - from.processes - OWN_PROCESSES) / seconds) * 60).toFixed(0)}`,
  ];
  return name.padEnd(32) + cells.map((cell) => cell.padStart(12)).join("");
}

const lab = (args: readonly string[], timeoutMs: number): Promise<string> =>
  must(process.execPath, ["--disable-warning=ExperimentalWarning", labMain, "--lab", LAB, ...args], { timeoutMs });

async function sample(node: NodeName): Promise<readonly [Reading, Reading]> {
  // One shell for both readings: what starts it is not counted.
  const read = "cat /proc/$p/stat /proc/stat";
  const script = `p=$(pgrep -o -f tandemd.mjs); ${read}; echo ====; sleep ${SECONDS}; ${read}`;
  const [from = "", to = ""] = (await lab(["exec", node, script], (SECONDS + 60) * 1_000)).split("====\n");
  return [reading(from), reading(to)];
}

export async function daemonCost(progress: (text: string) => void): Promise<string> {
  const head = "".padEnd(32) + ["processor", "memory", "faults/s", "starts/min"].map((c) => c.padStart(12)).join("");
  const lines = [`The daemon in a node, HA on, ${SECONDS} s; processes started on the whole node`, head];
  const both = async (name: string): Promise<void> => {
    progress(`the daemon: ${name}`);
    const readings = await Promise.all(NODES.map(sample));
    NODES.forEach((node, i) => {
      const pair = readings[i];
      if (pair !== undefined) lines.push(daemonRow(`${name}, ${node}`, ...pair, SECONDS));
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
