// The waiting fence-peer handlers (agents/drbd/fence-peer): each one is a FIFO whose existence is its request.
// It must never answer what it was not told to, and never create a file where a handler has just gone.

import {
  closeSync,
  constants,
  existsSync,
  type FSWatcher,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  unlinkSync,
  watch,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import type { HandlerPort } from "./port.ts";

/** `<resource>.<pid>.<random>`: the resource may hold dots itself, so the last two parts are cut off. */
const request = /^([A-Za-z0-9_.-]+)\.(\d+)\.(\d+)$/;

/** Between making its FIFO and opening it a handler takes about a millisecond, in a loaded host many. */
const openRetryMs: Millis = 5;
const openRetries = 400;

export function createHandlerWatch(directory: string): HandlerPort {
  return {
    watch(onWaiting) {
      const known = new Set<string>();
      let watcher: FSWatcher | null = null;
      let stopped = false;

      const scan = () => {
        if (stopped) return;
        const names = namesIn(directory);
        if (names === null) {
          // Somebody removed the directory; the next handler makes it again, unseen by the old watch.
          watcher?.close();
          begin();
          return;
        }
        for (const name of known) if (!names.has(name)) known.delete(name);
        for (const name of names) {
          const resource = request.exec(name)?.[1];
          if (resource === undefined || known.has(name)) continue;
          known.add(name);
          onWaiting({ resource, id: name });
        }
      };

      function begin(): void {
        // The handler makes the same directory with the same mode, whoever comes first.
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        // First the watch, then the scan: a request between the two is seen twice and told once, never missed.
        // A whole scan for each event also survives an overflow of the kernel's queue; there are a few files at most.
        watcher = watch(directory, { persistent: false }, scan);
        watcher.on("error", scan);
        scan();
      }

      begin();
      return {
        stop() {
          stopped = true;
          watcher?.close();
        },
      };
    },

    async answer(handler, code) {
      const pid = request.exec(handler.id)?.[2];
      if (pid === undefined) return err({ kind: "parse", command: "fence-peer request", sample: handler.id });
      const path = join(directory, handler.id);
      for (let retry = 0; ; retry++) {
        const tried = tryAnswer(path, code);
        if (tried !== "no-reader") return tried;
        // No reader: the handler was killed, or it has made its FIFO and not opened it yet.
        if (!existsSync(`/proc/${pid}`) || retry >= openRetries) {
          removeLeftover(path);
          return ok("gone");
        }
        await delay(openRetryMs);
      }
    },
  };
}

function tryAnswer(path: string, code: number): Result<"answered" | "gone", DriverError> | "no-reader" {
  let pipe: number;
  try {
    // Not blocking: without a reader the open fails with ENXIO instead of waiting for one. Nothing is created.
    pipe = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (thrown) {
    return failure(path, thrown);
  }
  try {
    if (!fstatSync(pipe).isFIFO()) {
      return err({ kind: "unverified", action: `answer ${path}`, expected: "a FIFO", found: "another file" });
    }
    writeSync(pipe, `${code}\n`);
    // The handler would do it too, at the price of one more process before DRBD gets its answer. Never before the
    // write: a handler that waits without its FIFO could not be answered by anybody.
    removeLeftover(path);
    return ok("answered");
  } catch (thrown) {
    return failure(path, thrown);
  } finally {
    closeSync(pipe);
  }
}

function failure(path: string, thrown: unknown): Result<"gone", DriverError> | "no-reader" {
  const cause = (thrown as NodeJS.ErrnoException).code;
  if (cause === "ENOENT") return ok("gone");
  if (cause === "ENXIO" || cause === "EPIPE") return "no-reader";
  return err({ kind: "missing", command: `answer ${path}`, reason: String(cause) });
}

function namesIn(directory: string): ReadonlySet<string> | null {
  try {
    return new Set(readdirSync(directory));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}

function removeLeftover(path: string): void {
  try {
    unlinkSync(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
  }
}
