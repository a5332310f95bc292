// A host's new disk by name, everywhere but on the host itself: in the setup that the pool keeps, and in the resource file of
// the other host. There it must change nothing but that line: a running DRBD reads only its own host's disk from the file.

import type { PoolContext } from "../act/pool/procedure.ts";
import { err, ok, type Result } from "../util/result.ts";
import type { ExecPort } from "../drivers/exec/port.ts";
import { DEVICE_PATTERN, parseRecord, recordText, type SetupHost, type SetupRecord } from "./answers.ts";
import { carryOut, type CarryOutParts } from "./carry-out/carry-out.ts";
import { readDump } from "./existing.ts";
import type { Step } from "./plan/step.ts";
import { readFacts } from "./look/look.ts";
import { readPoolText, SETUP_RECORD, writePoolText } from "./pool/record.ts";
import { drbdResourcePath } from "./texts/drbd.ts";
import { diskOf, withDisk } from "./texts/drbd-disk.ts";

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
  // As drbdadm reads it here, wherever it is written.
  if (host.disk === disk) return ok("already");
  const { resource } = answers;
  const file = await readFacts(path);
  if (file === null) return err(`there is no ${path}`);
  const content = withDisk(file.text, { resource, host: name, was: host.disk, disk });
  if (!content.ok) return err(`${path}: ${content.error}`);
  const isChanged = content.value !== file.text;
  const step = { kind: "file", title: `the disk of ${name}`, path, content: content.value, mode: file.mode } as const;
  const done = isChanged ? await carryOut(parts, [{ ...step, before: file.text }], []) : ok("done");
  if (!done.ok) return done;
  const read = await readsDisk(parts.exec, resource, { name, disk });
  return read.ok ? ok(isChanged ? "written" : "already") : err(`${path} names it, but ${read.error}`);
}

/**
 * The steps of a plan for a new disk. What drbdadm does, it does to the disk that it reads: that has to be the one that was looked
 * at and agreed to, not the one before it.
 */
export async function carryOutOn(
  parts: CarryOutParts,
  steps: readonly Step[],
  erase: readonly string[],
  resource: string,
  self: Pick<SetupHost, "name" | "disk">,
): Promise<Result<"done", string>> {
  const isOfDrbd = (step: Step): boolean => step.kind === "command" && step.argv[0] === "drbdadm";
  const named = await carryOut(
    parts,
    steps.filter((step) => !isOfDrbd(step)),
    erase,
  );
  if (!named.ok) return named;
  const read = await readsDisk(parts.exec, resource, self);
  return read.ok ? carryOut(parts, steps.filter(isOfDrbd), erase) : read;
}

/** Whether drbdadm takes this for the host's disk: a resource may be written in more places than one. */
async function readsDisk(
  exec: ExecPort,
  resource: string,
  { name, disk }: Pick<SetupHost, "name" | "disk">,
): Promise<Result<"yes", string>> {
  const dump = await readDump(exec);
  if (!dump.ok) return err(`drbdadm cannot read it: ${dump.error}`);
  const found = diskOf(dump.value, resource, name);
  if (found === disk) return ok("yes");
  return err(
    `"drbdadm dump" shows ${found ?? "no disk"} for ${name}, expected ${disk}; ` +
      'write it where "drbdadm dump" says that the resource is defined, then run this again',
  );
}
