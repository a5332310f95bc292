// `ha-cfg import --storage`: the storage section of tandem.yaml from what iSCSI-HA, tgt and DRBD have in /etc. Needs no
// daemon, because without that section there is none yet. Shows first; what it adds it adds as a whole.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAssignments } from "../../config/import/ha-lizard.ts";
import { addStorage, importStorage, storageYaml, type ImportedStorage } from "../../config/import/iscsi-ha.ts";
import { parseTargets } from "../../config/import/tgt-targets.ts";
import { asDumped, parseDump } from "../../drivers/drbd/parse-dump.ts";
import { writeAtomically } from "../../drivers/store/atomic-write.ts";
import type { CliContext } from "../context.ts";
import { failHere, note, type ExitCode } from "../request.ts";

export interface StorageImportOptions {
  /** A folder like /etc: that of this host, or a copy. */
  readonly etc: string;
  readonly into: string;
  readonly write: boolean;
  readonly json: boolean;
}

export async function importStorageFiles(context: CliContext, options: StorageImportOptions): Promise<ExitCode> {
  const path = join(options.etc, "iscsi-ha/iscsi-ha.conf");
  const own = await readFile(path, "utf8").catch(() => null);
  if (own === null) {
    const reason = `Cannot import the storage: found no ${path}, expected the configuration of iSCSI-HA`;
    return failHere(context, options.json, reason, "give its folder with --etc, or run 'iscsi-cfg setup'");
  }
  const targets = parseTargets(await textOf(options.etc, "tgt", "targets.conf", "conf.d", ".conf"));
  if (!targets.ok) return failHere(context, options.json, `Cannot read targets.conf: ${targets.error}`, "correct it");
  const drbd = parseDump(asDumped(await textOf(options.etc, "", "drbd.conf", "drbd.d", ".res")));
  if (!drbd.ok)
    return failHere(
      context,
      options.json,
      `Cannot read DRBD's configuration: ${drbd.error}`,
      "drbdadm dump all shows where",
    );
  const found = importStorage({ parameters: parseAssignments(own), targets: targets.value, resources: drbd.value });
  if (options.write) {
    const failure = await add(found, options.into);
    if (failure !== null) return failHere(context, options.json, failure, "correct it, or add the section by hand");
  }
  show(context, found, options);
  return found.missing.length > 0 ? 1 : 0;
}

/** Null: it is written. */
async function add(found: ImportedStorage, into: string): Promise<string | null> {
  if (found.missing.length > 0) return `Cannot write ${into}: missing ${found.missing.join(", ")}`;
  const text = await readFile(into, "utf8").catch(() => null);
  if (text === null) return `Cannot write ${into}: found no such file, expected one with the sections pool and hosts`;
  const added = addStorage(text, found.section);
  if (!added.ok) return `Cannot write ${into}: ${added.error}`;
  const written = await writeAtomically(into, added.value);
  return written.ok ? null : `Cannot write ${into}: ${written.error.reason}`;
}

function show(context: CliContext, found: ImportedStorage, options: StorageImportOptions): void {
  const { section, skipped, missing } = found;
  if (options.json) {
    const body = { kind: "storage", storage: section, skipped, missing, written: options.write };
    return context.out(JSON.stringify(body, null, 2));
  }
  context.out(storageYaml(section).trimEnd());
  for (const { name, reason } of skipped) note(context, `not taken over: ${name}: ${reason}`);
  if (missing.length > 0) note(context, `still missing: ${missing.join(", ")}`);
  note(
    context,
    options.write
      ? `Added to ${options.into}. It takes effect at the next start of tandemd; do the same on the other host.`
      : "Nothing was written: add --write, or put this into tandem.yaml of both hosts.",
  );
}

/** One file and those of the folder that it includes; what is not there holds nothing. */
async function textOf(etc: string, folder: string, file: string, more: string, suffix: string): Promise<string> {
  const included = join(etc, folder, more);
  const names = await readdir(included).catch(() => []);
  const files = names.filter((name) => name.endsWith(suffix)).toSorted();
  const paths = [join(etc, folder, file), ...files.map((name) => join(included, name))];
  const texts = await Promise.all(paths.map((path) => readFile(path, "utf8").catch(() => "")));
  return texts.join("\n");
}
