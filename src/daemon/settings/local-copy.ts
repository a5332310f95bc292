// The last good local file, kept for a start with a broken one: an armed watchdog resets a host whose daemon does not
// come back, and a slip in an editor must not do that. Never used silently: what was wrong comes with it.

import { readFile } from "node:fs/promises";
import type { LocalFile } from "../../config/local-file.ts";
import type { Problem } from "../../config/problem.ts";
import { readLocalFile } from "../../config/read-local-file.ts";
import { removeLeftovers, writeAtomically } from "../../drivers/store/atomic-write.ts";
import { err, ok, type Result } from "../../util/result.ts";

export const GOOD_COPY = "/var/lib/tandem/tandem.yaml.good";

export interface OpenedFile {
  readonly file: LocalFile;
  /** Why it is the copy that was opened; empty: it is the file itself. */
  readonly problems: readonly Problem[];
}

/** The file, else the copy of the last one that was in force; the errors are those of the file. */
export async function openLocalFile(
  path: string,
  copyPath: string,
  inventoryPath?: string,
): Promise<Result<OpenedFile, readonly Problem[]>> {
  const read = await readLocalFile(path, inventoryPath);
  if (read.ok) return ok({ file: read.value, problems: [] });
  // Judged like the file itself: a copy that somebody else could write is none.
  const copy = await readLocalFile(copyPath, inventoryPath);
  if (!copy.ok) return read;
  const problems = read.error.map((one) => ({
    ...one,
    action: `${one.action} (since the start of the daemon its last good copy ${copyPath} is in force)`,
  }));
  return ok({ file: copy.value, problems });
}

/** Readable by root only, because the file may hold passwords. The error is a sentence for the log. */
export async function keepCopy(copyPath: string, file: LocalFile): Promise<Result<"kept", string>> {
  const kept = await readFile(copyPath, "utf8").catch(() => null);
  if (kept === file.text) return ok("kept");
  await removeLeftovers(copyPath);
  const written = await writeAtomically(copyPath, file.text);
  return written.ok ? ok("kept") : err(`Cannot keep the last good tandem.yaml in ${copyPath}: ${written.error.reason}`);
}
