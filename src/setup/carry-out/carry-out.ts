// Does the steps of a plan on this host, in order, and stops at the first that fails: what was done stays done, and the next
// run goes on from there. It must never do a step that destroys data without its name having been typed.

import { chmod, mkdir, readFile, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { describe } from "../../drivers/driver-error.ts";
import { succeeded } from "../../drivers/exec/outcome.ts";
import type { ExecOptions, ExecPort } from "../../drivers/exec/port.ts";
import { writeAtomically } from "../../drivers/store/atomic-write.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { FileStep, Step } from "../plan/step.ts";
import { JOURNAL_PATH, readJournal, withFile, withUndo, writeJournal, type Journal } from "./journal.ts";

const UNDO_MS = 30_000;

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

const laneOf = ([file = ""]: readonly string[], timeoutMs: number): ExecOptions => ({
  timeoutMs,
  lane: `setup ${file}`,
});

async function run(exec: ExecPort, argv: readonly string[], timeoutMs: number): Promise<Result<"done", string>> {
  const [file = "", ...args] = argv;
  const done = succeeded(argv.join(" "), await exec.run(file, args, laneOf(argv, timeoutMs)));
  return done.ok ? ok("done") : err(describe(done.error));
}

/**
 * Takes back what the journal holds, and takes each item out of it as soon as that is so: an undo that breaks off, or has
 * remarks, goes on from there. `up` are the resources that DRBD runs here: while one does not come down no file is touched.
 */
export async function undo(
  { exec, progress, journalPath = JOURNAL_PATH }: CarryOutParts,
  up: ReadonlySet<string>,
): Promise<Result<readonly string[], string>> {
  const found = await readJournal(journalPath);
  if (!found.ok) return found;
  let journal: Journal = found.value;
  const remarks: string[] = [];
  const latestFirst = journal.undo.toReversed();
  const downs = latestFirst.filter(isDown);
  for (const argv of [...downs, ...latestFirst.filter((one) => !isDown(one))]) {
    if (!isDown(argv) || up.has(argv[2] ?? "")) {
      progress(argv.join(" "));
      const done = succeeded(argv.join(" "), await exec.run(argv[0] ?? "", argv.slice(1), laneOf(argv, UNDO_MS)));
      if (!done.ok && isDown(argv))
        return err(
          `${describe(done.error)}; no file was touched: see what uses it (drbdsetup status), then run it again`,
        );
      if (!done.ok && done.error.kind !== "exit") {
        remarks.push(describe(done.error));
        continue;
      }
      // The command itself refused: it would do so each time (the rule, the unit is gone), and a person was told.
      if (!done.ok) remarks.push(`${describe(done.error)}: not tried again; see whether something is left of it`);
    }
    journal = { ...journal, undo: journal.undo.filter((one) => one !== argv) };
    const kept = await writeJournal(journal, journalPath);
    if (!kept.ok) return kept;
  }
  for (const [path, change] of Object.entries(journal.files).toReversed()) {
    const done = await takeBackFile(path, change, progress);
    if (done.remark !== null) remarks.push(done.remark);
    if (!done.isSettled) continue;
    const { [path]: _, ...files } = journal.files;
    journal = { ...journal, files };
    const kept = await writeJournal(journal, journalPath);
    if (!kept.ok) return kept;
  }
  const isEmpty = journal.undo.length === 0 && Object.keys(journal.files).length === 0;
  if (isEmpty) await unlink(journalPath).catch(() => undefined);
  return ok(remarks);
}

const isDown = (argv: readonly string[]): boolean => argv[0] === "drbdadm" && argv[1] === "down";

interface TakenBack {
  /** Nothing is left to do about the file: it is as it was before, or somebody else's by now. */
  readonly isSettled: boolean;
  readonly remark: string | null;
}

async function takeBackFile(
  path: string,
  { before, mode, wrote }: Journal["files"][string],
  progress: CarryOutParts["progress"],
): Promise<TakenBack> {
  try {
    const now = await readFile(path, "utf8").catch(nullIfAbsent);
    if (now === before) return { isSettled: true, remark: null };
    if (now !== wrote) return { isSettled: true, remark: `${path} was changed since: it stays as it is` };
    progress(before === null ? `removes ${path}` : `${path} as it was`);
    if (before === null) await unlink(path);
    else {
      const written = await writeAtomically(path, before);
      if (!written.ok) return { isSettled: false, remark: `Cannot write ${path}: ${written.error.reason}` };
      await chmod(path, mode);
    }
    return { isSettled: true, remark: null };
  } catch (error) {
    return { isSettled: false, remark: `Cannot take ${path} back: ${String(error)}` };
  }
}

function nullIfAbsent(error: unknown): null {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
  throw error;
}
