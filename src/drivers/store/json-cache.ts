// A file that may be lost: the last good pool configuration, for example. Written like the durable record so that it is
// never half there, but whatever is wrong with it counts as "nothing cached". Never holds anything safety depends on.

import { readFile } from "node:fs/promises";
import { err, ok, type Result } from "../../util/result.ts";
import { removeLeftovers, writeAtomically } from "./atomic-write.ts";

export interface JsonCache<T> {
  /** Null when there is none, it cannot be read, or `parse` refuses it. */
  load(): Promise<T | null>;
  /** The error is a sentence for the log; the cache then holds what it held before. */
  save(value: T): Promise<Result<"saved", string>>;
}

/** For a cache of texts by name. */
export function parseTexts(value: unknown): Readonly<Record<string, string>> | null {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  const entries = Object.entries(value);
  const isText = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === "string";
  return entries.every(isText) ? Object.fromEntries(entries) : null;
}

export function createJsonCache<T>(path: string, parse: (value: unknown) => T | null): JsonCache<T> {
  let lastSave: Promise<unknown> = Promise.resolve();
  let cleaned = false;

  async function write(value: T): Promise<Result<"saved", string>> {
    if (!cleaned) await removeLeftovers(path);
    cleaned = true;
    const written = await writeAtomically(path, `${JSON.stringify(value)}\n`);
    return written.ok ? ok("saved") : err(`Cannot write the cache ${path}: ${written.error.reason}`);
  }
  return {
    async load() {
      try {
        return parse(JSON.parse(await readFile(path, "utf8")) as unknown);
      } catch {
        return null;
      }
    },
    save(value) {
      const saved = lastSave.then(() => write(value));
      lastSave = saved;
      return saved;
    },
  };
}
