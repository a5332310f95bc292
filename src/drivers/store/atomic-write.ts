// Replaces a file whole or not at all, also across a power cut. Never changes the old content unless the new one is
// complete on the disk.

import { mkdir, open, readdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { err, ok, type Result } from "../../util/result.ts";

/** How far a write came: `before` left the old content, `unknown` may have left either (both whole). */
export interface WriteError {
  readonly old: "untouched" | "unknown";
  readonly reason: string;
}

const marker = ".tmp-";
let counter = 0;

async function syncDirectory(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function writeNew(path: string, content: string): Promise<void> {
  // "wx": a leftover or a planted link of that name is an error, never written through.
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Write, fsync, rename, fsync of the directory (0600 in a 0700 directory, made when missing). */
export async function writeAtomically(path: string, content: string): Promise<Result<"written", WriteError>> {
  const folder = dirname(path);
  counter += 1;
  const temporary = `${path}${marker}${process.pid}-${counter}`;
  try {
    const created = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (created !== undefined) await syncDirectory(dirname(created));
    await writeNew(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    // What is left of it takes space on a disk that may be full; a failure here changes nothing for the caller.
    await unlink(temporary).catch(() => undefined);
    return err({ old: "untouched", reason: error instanceof Error ? error.message : String(error) });
  }
  try {
    await syncDirectory(folder);
  } catch (error) {
    return err({ old: "unknown", reason: error instanceof Error ? error.message : String(error) });
  }
  return ok("written");
}

/** Removes what writers that were killed have left beside `path`; best effort. */
export async function removeLeftovers(path: string): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (name.startsWith(basename(path) + marker)) await unlink(join(folder, name)).catch(() => undefined);
  }
}
