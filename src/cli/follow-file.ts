// The last lines of a growing file, and then each new one, through rotation and truncation. Never reads the file whole.

import { open, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Millis } from "../core/model/time.ts";

/** How much of the end is searched for the last lines. */
const tailBytes = 512 * 1024;
const pollMs: Millis = 250;

export interface FollowOptions {
  readonly path: string;
  readonly lines: number;
  /** False: end after the last line. */
  readonly follow: boolean;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Throws the file system's error when the file cannot be opened at first; later absences are waited out. */
export async function followFile(options: FollowOptions): Promise<void> {
  let file = await open(options.path, "r");
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - tailBytes);
    const start = await readText(file, from, size);
    const whole = start.split("\n");
    let held = whole.pop() ?? "";
    if (from > 0) whole.shift();
    for (const line of options.lines === 0 ? [] : whole.slice(-options.lines)) options.onLine(line);
    let at = size;
    while (options.follow && !options.signal.aborted) {
      const grown = await file.stat();
      if (grown.size < at) {
        at = 0;
        held = "";
      }
      if (grown.size > at) {
        const end = Math.min(grown.size, at + tailBytes);
        const parts = (held + (await readText(file, at, end))).split("\n");
        at = end;
        held = parts.pop() ?? "";
        for (const line of parts) options.onLine(line);
        continue;
      }
      const next = await replaced(options.path, grown.ino);
      if (next !== null) {
        await file.close();
        file = next;
        at = 0;
        held = "";
        continue;
      }
      await delay(pollMs, undefined, { signal: options.signal }).catch(() => undefined);
    }
  } finally {
    await file.close();
  }
}

async function readText(file: FileHandle, from: number, to: number): Promise<string> {
  const buffer = Buffer.alloc(to - from);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
  return buffer.subarray(0, bytesRead).toString("utf8");
}

/** The new file at the path when a rotation put one there. */
async function replaced(path: string, inode: number): Promise<FileHandle | null> {
  try {
    if ((await stat(path)).ino === inode) return null;
    return await open(path, "r");
  } catch {
    // Between two files of a rotation there is none: wait for the next look.
    return null;
  }
}
