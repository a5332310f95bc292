// What a setup changed on this host, so that --undo can take it back: the files as they were, the commands that undo. Kept
// on the host itself (it holds DRBD's secret), written before each change.

import { readFile } from "node:fs/promises";
import * as z from "zod";
import { err, ok, type Result } from "../../util/result.ts";
import { writeAtomically } from "../../drivers/store/atomic-write.ts";

export const JOURNAL_PATH = "/var/lib/tandem/setup-journal.json";

const schema = z.strictObject({
  format: z.literal("tandem-setup-journal"),
  version: z.literal(1),
  /** By path. `before` null: there was no such file. */
  files: z.record(
    z.string(),
    z.strictObject({ before: z.string().nullable(), mode: z.number().int(), wrote: z.string() }),
  ),
  /** In the order in which they were added. */
  undo: z.array(z.array(z.string()).min(1)),
});

export type Journal = z.infer<typeof schema>;

const EMPTY: Journal = { format: "tandem-setup-journal", version: 1, files: {}, undo: [] };

export async function readJournal(path = JOURNAL_PATH): Promise<Result<Journal, string>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const isAbsent = error instanceof Error && "code" in error && error.code === "ENOENT";
    return isAbsent ? ok(EMPTY) : err(`Cannot read ${path}: ${String(error)}`);
  }
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    if (parsed.success) return ok(parsed.data);
  } catch {
    // Said below: what is no JSON is no journal either.
  }
  return err(`Cannot use ${path}: found no journal of a setup in it; move it away, and undo by hand what it held`);
}

export async function writeJournal(journal: Journal, path = JOURNAL_PATH): Promise<Result<"written", string>> {
  const written = await writeAtomically(path, `${JSON.stringify(journal, null, 1)}\n`);
  return written.ok ? written : err(`Cannot write ${path}: ${written.error.reason}`);
}

/** The first content of a file is what an undo brings back, however often a setup replaced it. */
export function withFile(
  journal: Journal,
  path: string,
  change: { readonly before: string | null; readonly mode: number; readonly wrote: string },
): Journal {
  const first = journal.files[path];
  return { ...journal, files: { ...journal.files, [path]: { ...change, ...(first && { before: first.before }) } } };
}

export function withUndo(journal: Journal, argv: readonly string[]): Journal {
  const isKnown = journal.undo.some((one) => one.join(" ") === argv.join(" "));
  return isKnown ? journal : { ...journal, undo: [...journal.undo, [...argv]] };
}
