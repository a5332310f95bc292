// Writes whole lines to a file at once, synchronously: the last lines before a power loss are the ones that matter.
// A full disk, a removed file or a removed directory must never disturb the daemon; what is lost is counted and told.

import { closeSync, fstatSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Millis } from "../core/model/time.ts";

export interface LogFile {
  /** `line` ends with a newline. */
  write(line: string): void;
  close(): void;
}

export interface LogFileOptions {
  readonly path: string;
  /** Makes the line that tells of lost lines, once writing works again. */
  readonly lostLine: (count: number, reason: string) => string;
  readonly nowMs: () => Millis;
}

/** How often the file is compared with its path, so that a rotated log is followed. */
const compareEveryMs: Millis = 1000;

export function openLogFile(options: LogFileOptions): LogFile {
  let fd: number | null = null;
  let comparedAt = Number.NEGATIVE_INFINITY;
  let lost = 0;
  let reason = "";
  /** A line was cut in the middle: the next one must not be glued to it. */
  let torn = false;

  const drop = (error: unknown): void => {
    lost += 1;
    reason = error instanceof Error ? error.message : String(error);
  };
  const release = (): void => {
    if (fd === null) return;
    const old = fd;
    fd = null;
    try {
      closeSync(old);
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
  };
  const put = (target: number, text: string): void => {
    const bytes = Buffer.from(text);
    let done = 0;
    try {
      while (done < bytes.length) done += writeSync(target, bytes, done);
    } catch (error) {
      torn ||= done > 0;
      throw error;
    }
  };
  const follow = (): number => {
    const now = options.nowMs();
    if (fd !== null && now - comparedAt >= compareEveryMs) {
      comparedAt = now;
      if (!isStillAt(fd, options.path)) release();
    }
    if (fd !== null) return fd;
    makeDirectory(dirname(options.path));
    fd = openSync(options.path, "a", 0o640);
    comparedAt = now;
    return fd;
  };

  return {
    write: (line) => {
      try {
        const target = follow();
        if (torn) {
          put(target, "\n");
          torn = false;
        }
        if (lost > 0) {
          put(target, options.lostLine(lost, reason));
          lost = 0;
        }
        put(target, line);
      } catch (error) {
        drop(error);
      }
    },
    close: release,
  };
}

function isStillAt(fd: number, path: string): boolean {
  const at = statSync(path, { throwIfNoEntry: false });
  if (at === undefined) return false;
  const held = fstatSync(fd);
  return at.ino === held.ino && at.dev === held.dev;
}

/** One level only: Node's recursive mkdir never returns where the kernel answers ENOENT for good (seen under /proc, Node 26). */
function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) mkdirSync(path, { mode: 0o755 });
}
