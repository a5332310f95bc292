// Commands of ha-cfg that read or write a file: backup, restore, import. A backup is never written half.

import { readFile } from "node:fs/promises";
import { parseAssignments } from "../../config/import/ha-lizard.ts";
import type { Backup } from "../../drivers/control/answers.ts";
import { writeAtomically } from "../../drivers/store/atomic-write.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { CliContext } from "../context.ts";
import { ask, failHere, run, tell } from "../request.ts";
import type { ExitCode } from "../request.ts";

/** Where HA-Lizard keeps its own. */
const OLD_FILE = "/etc/ha-lizard/ha-lizard.conf";

/** "-" or nothing: to standard output. */
export async function backUp(context: CliContext, file: string | undefined, json: boolean): Promise<ExitCode> {
  const reply = await ask(context, { kind: "backup" }, json);
  if (reply === null) return 1;
  if (reply.kind !== "backup") return tell(context, reply, json);
  const text = `${JSON.stringify(reply.backup, null, 2)}\n`;
  if (file === undefined || file === "-") {
    context.out(text.trimEnd());
    return 0;
  }
  const written = await writeAtomically(file, text);
  if (!written.ok) {
    const reason = `Cannot write the backup ${file}: ${written.error.reason}`;
    return failHere(context, json, reason, "give a file in a folder that is there and has room");
  }
  const count = Object.keys(reply.backup.parameters).length;
  const done = `${count} parameters and ${Object.keys(reply.backup.vms).length} flags of VMs are in ${file}; passwords are not`;
  return tell(context, { kind: "done", text: done }, json);
}

export async function restoreFrom(context: CliContext, file: string, json: boolean): Promise<ExitCode> {
  const text = await read(file);
  if (!text.ok) return failHere(context, json, `Cannot read the backup ${file}: ${text.error}`, RIGHT_FILE);
  const backup = parseBackup(text.value);
  if (backup === null) {
    const reason = `Cannot restore ${file}: found no backup of tandem in it, expected what "ha-cfg backup" writes`;
    return failHere(context, json, reason, RIGHT_FILE);
  }
  return run(context, { kind: "restore", parameters: backup.parameters, vms: backup.vms }, json);
}

export async function importOld(
  context: CliContext,
  options: { readonly file: string | undefined; readonly write: boolean; readonly json: boolean },
): Promise<ExitCode> {
  const path = options.file ?? OLD_FILE;
  const text = await read(path);
  if (!text.ok && options.file !== undefined) {
    const reason = `Cannot read the configuration of HA-Lizard ${path}: ${text.error}`;
    return failHere(context, options.json, reason, RIGHT_FILE);
  }
  const file = text.ok ? parseAssignments(text.value) : {};
  return run(context, { kind: "import", file, write: options.write }, options.json);
}

const RIGHT_FILE = "give the right file";

async function read(file: string): Promise<Result<string, string>> {
  try {
    return ok(await readFile(file, "utf8"));
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
}

function parseBackup(text: string): Pick<Backup, "parameters" | "vms"> | null {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(raw) || raw["format"] !== "tandem-backup" || raw["version"] !== 1) return null;
  const { parameters, vms } = raw;
  if (!isRecord(parameters) || !isRecord(vms)) return null;
  const areTexts = Object.values(parameters).every((value) => typeof value === "string");
  const areFlags = Object.values(vms).every((value) => typeof value === "boolean");
  // Looked at just now.
  return areTexts && areFlags
    ? { parameters: parameters as Record<string, string>, vms: vms as Record<string, boolean> }
    : null;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
