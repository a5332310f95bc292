// A host's new disk by name, everywhere but on the host itself: in the setup that the pool keeps, and in the resource file of
// the other host. There it must change nothing but that line: a running DRBD reads only its own host's disk from the file.

import type { PoolContext } from "../act/pool/procedure.ts";
import { err, ok, type Result } from "../util/result.ts";
import { DEVICE_PATTERN, parseRecord, recordText, type SetupRecord } from "./answers.ts";
import { carryOut, type CarryOutParts } from "./carry-out/carry-out.ts";
import { disksOf, readDump } from "./existing.ts";
import { readFacts } from "./look/look.ts";
import { readPoolText, SETUP_RECORD, writePoolText } from "./pool/record.ts";
import { drbdResourcePath } from "./texts/drbd.ts";
import { withDisk } from "./texts/drbd-disk.ts";

/** The same setup with another disk of this host. */
export function withHostDisk(record: SetupRecord, uuid: string, disk: string): SetupRecord {
  const [first, second] = record.answers.hosts;
  const moved = (host: typeof first): typeof first => (host.uuid === uuid ? { ...host, disk } : host);
  return { ...record, answers: { ...record.answers, hosts: [moved(first), moved(second)] } };
}

/** Into the setup that the pool keeps. "none": the storage was set up by other hands, and none is kept. */
export async function keepDisk(
  context: PoolContext,
  uuid: string,
  disk: string,
): Promise<Result<"kept" | "already" | "none", string>> {
  const text = await readPoolText(context, SETUP_RECORD);
  if (!text.ok) return text;
  if (text.value === null) return ok("none");
  const record = parseRecord(text.value);
  if (!record.ok) return record;
  const moved = recordText(withHostDisk(record.value, uuid, disk));
  return moved === text.value ? ok("already") : writePoolText(context, SETUP_RECORD, moved);
}

/** On the host that is asked. `named` is HOST:DISK; `self` the UUID of this host, whose own disk is never changed from there. */
export async function writeDiskOf(
  parts: CarryOutParts,
  { answers }: SetupRecord,
  self: string,
  named: string,
  path = drbdResourcePath(answers.resource),
): Promise<Result<"written" | "already", string>> {
  const [name = ""] = named.split(":", 1);
  const disk = named.slice(name.length + 1);
  const host = answers.hosts.find((one) => one.name === name);
  if (host === undefined || host.uuid === self || !DEVICE_PATTERN.test(disk))
    return err(`"${named}" is no disk of the other host`);
  const { resource } = answers;
  const file = await readFacts(path);
  if (file === null) return err(`there is no ${path}`);
  const content = withDisk(file.text, { resource, host: name, was: host.disk, disk });
  if (!content.ok) return err(`${path}: ${content.error}`);
  if (content.value === file.text) return ok("already");
  const step = { kind: "file", title: `the disk of ${name}`, path, content: content.value, mode: file.mode } as const;
  const done = await carryOut(parts, [{ ...step, before: file.text }], []);
  if (!done.ok) return done;
  const after = await readDump(parts.exec);
  if (!after.ok) return err(`${path} was written, but drbdadm cannot read it: ${after.error}`);
  const found = disksOf(after.value, resource).get(name);
  return found === disk ? ok("written") : err(`${path} was written, but "drbdadm dump" shows ${found ?? "no disk"}`);
}
