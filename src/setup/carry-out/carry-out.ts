// Does the steps of a plan on this host, in order, and stops at the first that fails: what was done stays done, and the next
// run goes on from there. It must never do a step that destroys data without its name having been typed.

import { chmod, mkdir, readFile, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { describe } from "../../drivers/driver-error.ts";
import { succeeded } from "../../drivers/exec/outcome.ts";
import type { ExecPort } from "../../drivers/exec/port.ts";
import { writeAtomically } from "../../drivers/store/atomic-write.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { FileStep, Step } from "../plan/step.ts";
import { JOURNAL_PATH, readJournal, withFile, withUndo, writeJournal, type Journal } from "./journal.ts";

export interface CarryOutParts {
  readonly exec: ExecPort;
  readonly progress: (text: string) => void;
  readonly journalPath?: string;
}

export async function carryOut(
  { exec, progress, journalPath = JOURNAL_PATH }: CarryOutParts,
  steps: readonly Step[],
  erase: readonly string[],
): Promise<Result<"done", string>> {
  const begun = await readJournal(journalPath);
  if (!begun.ok) return begun;
  let journal: Journal = begun.value;
  for (const step of steps) {
    progress(step.kind === "file" ? `${step.path}: ${step.title}` : `${step.title}: ${step.argv.join(" ")}`);
    if (step.kind === "command" && step.destroys !== null && !erase.includes(step.destroys))
      return err(`Cannot run ${step.argv.join(" ")}: nobody typed ${step.destroys}`);
    journal = noted(journal, step);
    const kept = await writeJournal(journal, journalPath);
    if (!kept.ok) return kept;
    const done = step.kind === "file" ? await write(step) : await run(exec, step.argv, step.deadlineMs);
    if (!done.ok) return done;
  }
  return ok("done");
}

function noted(journal: Journal, step: Step): Journal {
  if (step.kind === "command") return step.undo === null ? journal : withUndo(journal, step.undo);
  return withFile(journal, step.path, { before: step.before, mode: step.mode, wrote: step.content });
}

async function write({ path, content, mode }: FileStep): Promise<Result<"done", string>> {
  // What other programs read lies in folders that they can read.
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const written = await writeAtomically(path, content);
  if (!written.ok) return err(`Cannot write ${path}: ${written.error.reason}; is the disk of dom0 full?`);
  await chmod(path, mode);
  return ok("done");
}

async function run(exec: ExecPort, argv: readonly string[], timeoutMs: number): Promise<Result<"done", string>> {
  const [file = "", ...args] = argv;
  const done = succeeded(argv.join(" "), await exec.run(file, args, { timeoutMs, lane: `setup ${file}` }));
  return done.ok ? ok("done") : err(describe(done.error));
}

/** What could not be taken back is told, and the rest goes on: half an undo is worse than one with remarks. */
export async function undo({
  exec,
  progress,
  journalPath = JOURNAL_PATH,
}: CarryOutParts): Promise<Result<readonly string[], string>> {
  const found = await readJournal(journalPath);
  if (!found.ok) return found;
  const remarks: string[] = [];
  for (const argv of found.value.undo.toReversed()) {
    progress(argv.join(" "));
    const done = await run(exec, argv, 30_000);
    if (!done.ok) remarks.push(done.error);
  }
  for (const [path, { before, mode, wrote }] of Object.entries(found.value.files).toReversed()) {
    const now = await readFile(path, "utf8").catch(() => null);
    if (now !== wrote) {
      if (now !== before) remarks.push(`${path} was changed since: it stays as it is`);
      continue;
    }
    progress(before === null ? `removes ${path}` : `${path} as it was`);
    if (before === null) await unlink(path);
    else {
      const written = await writeAtomically(path, before);
      if (!written.ok) remarks.push(`Cannot write ${path}: ${written.error.reason}`);
      else await chmod(path, mode);
    }
  }
  // With remarks it stays, so that the undo can be repeated.
  if (remarks.length === 0) await unlink(journalPath).catch(() => undefined);
  return ok(remarks);
}
