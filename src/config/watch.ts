// Watches tandem.yaml: each settled change is read and checked as a whole, then handed over either as a valid file or
// as problems. Never hands over a half-written or partly valid configuration; the caller keeps the old one on problems.

import type { FSWatcher } from "chokidar";
import { ok, type Result } from "../util/result.ts";
import type { LocalFile } from "./local-file.ts";
import type { Problem } from "./problem.ts";
import { INVENTORY_FILE, LOCAL_FILE, readLocalFile } from "./read-local-file.ts";

export interface WatchOptions {
  readonly path?: string;
  readonly inventoryPath?: string;
  /** Editors write in several steps; a change counts when nothing followed for this long. */
  readonly settleMs?: number;
}

export interface LocalFileWatch {
  stop(): Promise<void>;
}

/** Sets fall out of JSON; what they hold is implied by the rest. */
const fingerprint = (outcome: Result<LocalFile, readonly Problem[]>): string => JSON.stringify(outcome);

/**
 * `current` is what the caller read at its start (null: nothing valid); a content that differs from it is news from
 * the first look on, so that a change made in between is not lost. `onFile` for another valid content, `onProblems`
 * for a refused one or when the watch itself fails.
 */
export function watchLocalFile(
  current: LocalFile | null,
  onFile: (file: LocalFile) => void,
  onProblems: (problems: readonly Problem[]) => void,
  options: WatchOptions = {},
): LocalFileWatch {
  const path = options.path ?? LOCAL_FILE;
  const inventoryPath = options.inventoryPath ?? INVENTORY_FILE;
  let last = current === null ? null : fingerprint(ok(current));
  const read = async (isStopped: () => boolean): Promise<void> => {
    const outcome = await readLocalFile(path, inventoryPath);
    const print = fingerprint(outcome);
    if (isStopped() || print === last) return;
    last = print;
    if (outcome.ok) onFile(outcome.value);
    else onProblems(outcome.error);
  };
  const onError = (found: string): void =>
    onProblems([
      {
        path,
        line: null,
        severity: "warning",
        found,
        expected: "a file that can be watched",
        action: "changes are not noticed; restart tandemd after editing it",
      },
    ]);
  return watchSettled(path, options.settleMs ?? 200, read, onError);
}

/**
 * Calls `read` at once, and after each change of `path` on which nothing followed for `settleMs`; one call at a time, and
 * another one after it when something changed meanwhile.
 */
export function watchSettled(
  path: string,
  settleMs: number,
  read: (isStopped: () => boolean) => Promise<void>,
  onError: (found: string) => void,
): LocalFileWatch {
  let timer: NodeJS.Timeout | undefined;
  let isReading = false;
  let isStale = false;
  let isStopped = false;

  const readInTurn = async (): Promise<void> => {
    if (isReading) {
      isStale = true;
      return;
    }
    isReading = true;
    do {
      isStale = false;
      await read(() => isStopped);
    } while (isStale && !isStopped);
    isReading = false;
  };

  const wake = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void readInTurn(), settleMs);
  };

  const failed = (error: unknown): void => onError(error instanceof Error ? error.message : String(error));

  // Loaded only now: the file itself is needed long before anybody watches it.
  async function begin(): Promise<FSWatcher | null> {
    const { watch } = await import("chokidar");
    if (isStopped) return null;
    const watcher = watch(path, { ignoreInitial: true, atomic: false });
    watcher.on("all", wake);
    // `change` does not come for a chmod, but a file refused for its permissions must be taken up once they are right.
    watcher.on("raw", wake);
    watcher.on("error", failed);
    void readInTurn();
    return watcher;
  }
  const begun = begin().catch((error: unknown) => {
    failed(error);
    return null;
  });

  return {
    async stop(): Promise<void> {
      isStopped = true;
      clearTimeout(timer);
      await (await begun)?.close();
    },
  };
}
