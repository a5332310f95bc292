// The storage configuration of a host in the pool's database, one XAPI Secret for each host (DRBD's secret and passwords of
// fence devices are in these files), so that a host that was installed again gets it back from the others.

import { readdir, readFile, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { askOf, describePoolFailure, during, withPool, type PoolContext } from "../act/pool/procedure.ts";
import { err, ok, type Result } from "../util/result.ts";
import { ownUuid } from "./look/look.ts";
import { LOCAL_CONFIG } from "./plan/plan.ts";
import type { FileStep } from "./plan/step.ts";
import { backupRecord, readPoolText, writePoolText } from "./pool/record.ts";
import { DRBD_CONF } from "./texts/drbd.ts";
import { MULTIPATH_FILE } from "./texts/multipath.ts";

const FOLDERS = ["/etc/drbd.d", "/etc/tandem"] as const;
const FILES = [DRBD_CONF, MULTIPATH_FILE] as const;
/** A configuration is small; xapi takes no request above 300 KiB. */
const LARGEST_FILE = 64 * 1024;
const LARGEST_BACKUP = 200 * 1024;

const schema = z.strictObject({
  format: z.literal("tandem-storage-backup"),
  version: z.literal(1),
  hostUuid: z.string(),
  hostName: z.string(),
  wallMs: z.number(),
  files: z.record(z.string(), z.strictObject({ text: z.string(), mode: z.number().int() })),
});

export type StorageBackup = z.infer<typeof schema>;

/** Only what belongs to the storage's configuration may be written from a backup. */
const isOurPath = (path: string): boolean =>
  !path.includes("/../") &&
  ((FILES as readonly string[]).includes(path) || FOLDERS.some((folder) => path.startsWith(`${folder}/`)));

export interface Kept {
  readonly files: number;
  readonly bytes: number;
}

export async function keepBackup({
  context,
  clock,
}: {
  readonly context: PoolContext;
  readonly clock: { wallMs(): number };
}): Promise<Result<Kept, string>> {
  const uuid = await ownUuid();
  if (!uuid.ok) return uuid;
  const files: Record<string, { text: string; mode: number }> = {};
  const paths = [...FILES, ...(await Promise.all(FOLDERS.map(listFiles))).flat()];
  for (const path of paths) {
    const facts = await stat(path).catch(() => null);
    if (facts === null || !facts.isFile()) continue;
    if (facts.size > LARGEST_FILE) return err(`Cannot keep ${path}: found ${facts.size} bytes, expected a small file`);
    files[path] = { text: await readFile(path, "utf8"), mode: facts.mode & 0o7777 };
  }
  if (files[LOCAL_CONFIG] === undefined) return err(`there is no ${LOCAL_CONFIG} here: nothing worth keeping`);
  const backup: StorageBackup = {
    format: "tandem-storage-backup",
    version: 1,
    hostUuid: uuid.value,
    hostName: hostname(),
    wallMs: clock.wallMs(),
    files,
  };
  const text = JSON.stringify(backup);
  if (text.length > LARGEST_BACKUP)
    return err(`Cannot keep ${text.length} bytes in the pool's database: is there something foreign in /etc/tandem?`);
  const kept = await writePoolText(context, backupRecord(uuid.value), text);
  return kept.ok ? ok({ files: Object.keys(files).length, bytes: text.length }) : kept;
}

async function listFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .toSorted();
}

/** The error never shows the text. */
export function parseBackupText(text: string): Result<StorageBackup, string> {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    if (parsed.success) {
      const foreign = Object.keys(parsed.data.files).find((path) => !isOurPath(path));
      return foreign === undefined ? ok(parsed.data) : err(`Cannot use the backup: ${foreign} is none of its files`);
    }
  } catch {
    // Said below.
  }
  return err("Cannot use the backup in the pool's database: found no backup of tandem in it");
}

/**
 * This host's backup; else the one of a host of this name that is no member of the pool any more: a host that was installed
 * anew has a new UUID.
 */
export async function findBackup(context: PoolContext): Promise<Result<StorageBackup, string>> {
  const uuid = await ownUuid();
  if (!uuid.ok) return uuid;
  const own = await readPoolText(context, backupRecord(uuid.value));
  if (!own.ok) return own;
  if (own.value !== null) return parseBackupText(own.value);
  const known = await withPool(context, async (session) => {
    const pool = during("read the pool's records", await context.records.pool(session, askOf(context)));
    if (!pool.ok) return pool;
    const hosts = during("read the pool's hosts", await context.records.hosts(session, askOf(context)));
    return hosts.ok ? ok({ keys: Object.keys(pool.value.otherConfig), members: hosts.value }) : hosts;
  });
  if (!known.ok) return err(describePoolFailure(known.error));
  const members = new Set(known.value.members.map((one) => one.uuid));
  const gone = known.value.keys
    .map((key) => /^tandem:storage_backup_([0-9a-f-]{36})_SECRET$/.exec(key)?.[1] ?? "")
    .filter((one) => one !== "" && !members.has(one));
  for (const one of gone) {
    const text = await readPoolText(context, backupRecord(one));
    const parsed = text.ok && text.value !== null ? parseBackupText(text.value) : null;
    if (parsed?.ok === true && parsed.value.hostName === hostname()) return parsed;
  }
  return err(`the pool keeps no backup of ${hostname()}: iscsi-cfg backup on a host that is set up makes one`);
}

/** What has to be written here, with the host's present UUID where the old one stood. */
export async function stepsOf(backup: StorageBackup): Promise<Result<readonly FileStep[], string>> {
  const uuid = await ownUuid();
  if (!uuid.ok) return uuid;
  const steps: FileStep[] = [];
  for (const [path, { text, mode }] of Object.entries(backup.files)) {
    const content = text.replaceAll(backup.hostUuid, uuid.value);
    const before = await readFile(path, "utf8").catch(() => null);
    if (before === content) continue;
    steps.push({ kind: "file", title: "from the backup", path, content, mode: mode & 0o755, before });
  }
  return ok(steps);
}
