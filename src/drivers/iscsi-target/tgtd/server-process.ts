// The tgtd process itself: which one is ours, is it alive, is it gone. It must never take a recycled pid for our server,
// and never call a server gone while one of its threads may still hold a device open.

import { mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";

/** Written when the server starts and when it is filled; it outlives the daemon, not the boot (it lies under /run). */
export interface ServerNote {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot: with the pid it names one process for ever. */
  readonly startTicks: string;
  /** Resource by backing device, so that an adopted server's LUNs have names. */
  readonly resources: Readonly<Record<string, string>>;
}

export function readNote(path: string): ServerNote | null {
  const text = readOrNull(path);
  if (text === null) return null;
  try {
    const note: unknown = JSON.parse(text);
    return isNote(note) ? note : null;
  } catch (thrown) {
    // A note that cannot be read is no note: the server is then not ours.
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}

export function writeNote(path: string, note: ServerNote): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, JSON.stringify(note));
  renameSync(`${path}.new`, path);
}

export function removeNote(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
  }
}

/** The start time of a live process, or null when there is none or only its remains. */
export function startTicksOf(pid: number): string | null {
  const stat = statOf(pid);
  return stat === null || isDead(stat.state) ? null : stat.startTicks;
}

/** The noted process, if it is still that one and still a tgtd. */
export function isAlive(note: ServerNote): boolean {
  if (startTicksOf(note.pid) !== note.startTicks) return false;
  try {
    return basename(readlinkSync(`/proc/${note.pid}/exe`)).replace(/ \(deleted\)$/, "") === "tgtd";
  } catch (thrown) {
    if (isGone(thrown)) return false;
    throw thrown;
  }
}

/**
 * Gone: no such process, or another one has its pid, or it is a zombie without other threads. The first thread of a dead
 * process is a zombie already while another one still finishes a write in the kernel; only the last thread closes the files.
 */
export function isFinished(pid: number, startTicks: string): boolean {
  const stat = statOf(pid);
  if (stat === null || stat.startTicks !== startTicks) return true;
  if (!isDead(stat.state)) return false;
  try {
    return readdirSync(`/proc/${pid}/task`).length <= 1;
  } catch (thrown) {
    if (isGone(thrown)) return true;
    throw thrown;
  }
}

function statOf(pid: number): { readonly state: string; readonly startTicks: string } | null {
  const text = readOrNull(`/proc/${pid}/stat`);
  if (text === null) return null;
  // The name may hold blanks and brackets; what follows the last bracket is plain.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "X", startTicks: fields[19] ?? "" };
}

const isDead = (state: string) => state === "Z" || state === "X";

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (thrown) {
    if (isGone(thrown)) return null;
    throw thrown;
  }
}

/** ESRCH comes for a process that ends between open and read. */
function isGone(thrown: unknown): boolean {
  const code = (thrown as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ESRCH";
}

function isNote(value: unknown): value is ServerNote {
  if (typeof value !== "object" || value === null) return false;
  const { pid, startTicks, resources } = value as Readonly<Record<string, unknown>>;
  return (
    typeof pid === "number" &&
    pid > 1 &&
    typeof startTicks === "string" &&
    typeof resources === "object" &&
    resources !== null
  );
}
