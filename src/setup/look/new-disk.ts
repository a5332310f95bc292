// Looks at a disk that a person named for a broken one: by which name it is kept, and what else it may be. Reads only.

import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ExecPort } from "../../drivers/exec/port.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { DEVICE_PATTERN } from "../answers.ts";
import { readDump } from "../existing.ts";
import type { NewDisk, OtherPath } from "../plan/new-disk.ts";
import { devicesIn, type DeviceNamed } from "../texts/drbd-disk.ts";
import { partitionsOf, stableNames, usesOf, wipefsTypes } from "./disk.ts";

export interface Named {
  readonly typed: string;
  readonly resource: string;
  /** The disk that the resource has in its configuration; it may be gone. */
  readonly configured: string;
}

/**
 * The name under which the disk is kept: one that stays with it where it has one, and that of the configuration where it is
 * the very disk that stands there (a run that goes on). The error is a sentence.
 */
export async function nameOfDisk(
  { typed, resource, configured }: Named,
  stableOf: typeof stableNames = stableNames,
): Promise<Result<string, string>> {
  if (typed === configured) return ok(configured);
  if (!DEVICE_PATTERN.test(typed))
    return err(`"${typed}" is no disk: expected a path such as /dev/disk/by-id/wwn-0x5000…`);
  const kernelName = await realpath(typed).catch(() => null);
  if (kernelName === null) return err(`${typed} does not exist; see: ls -l /dev/disk/by-id`);
  if (/^drbd\d/.test(basename(kernelName))) return err(`${typed} is DRBD's own device; name the disk below it`);
  const stable = await stableOf(kernelName);
  // A volume of LVM stays with its name, by which LVM's own tools know it; udev's they do not take.
  const isVolume = basename(kernelName).startsWith("dm-") && typed !== kernelName;
  const name = isVolume || stable.includes(typed) ? typed : (stable[0] ?? typed);
  if (name === configured) return ok(configured);
  if ((await realpath(configured).catch(() => null)) !== kernelName) return ok(name);
  return err(
    `${typed} is ${configured} by another name, which ${resource} has already; ` +
      "for a new disk in the place of the old one leave --disk out",
  );
}

export interface Standing {
  readonly partitions: NewDisk["partitions"];
  readonly otherPaths: readonly OtherPath[];
  readonly ownedBy: string | null;
  /** Of the resource itself on this host, for which a disk is named. */
  readonly volumes: number;
  /** Where it keeps its metadata; null: on the disk. */
  readonly metaDisk: string | null;
}

/** What the disk is to the rest of this host. `kernelName`: of the disk that was named. */
export async function standingOf(
  exec: ExecPort,
  {
    kernelName,
    host,
    resource,
    configured,
  }: Omit<Named, "typed"> & { readonly kernelName: string; readonly host: string },
  sysfs = "/sys",
): Promise<Result<Standing, string>> {
  const here = await devicesOf(exec, host);
  if (!here.ok) return here;
  const own = here.value.filter((one) => one.resource === resource);
  const named = await realpath(configured).catch(() => null);
  let ownedBy: string | null = null;
  for (const one of here.value) {
    const isOwn = one.resource === resource && one.keyword === "disk" && one.path.text === configured;
    const device = isOwn ? null : await realpath(one.path.text).catch(() => null);
    if (device !== null && (await overlap(sysfs, device, kernelName))) ownedBy = one.resource;
  }
  const partitions: NewDisk["partitions"][number][] = [];
  for (const path of await partitionsOf(sysfs, basename(kernelName))) {
    const signatures = await wipefsTypes(exec, path);
    if (!signatures.ok) return signatures;
    partitions.push({ path, signatures: signatures.value });
  }
  return ok({
    ownedBy,
    partitions,
    otherPaths: await otherPathsTo(kernelName, named, sysfs),
    volumes: new Set(own.map(({ volume }) => volume)).size,
    metaDisk: own.find(({ keyword }) => keyword === "meta-disk")?.path.text ?? null,
  });
}

/** One device, or a disk and a partition of it: DRBD 8.4 does not show in sysfs what it is built on. */
async function overlap(sysfs: string, one: string, other: string): Promise<boolean> {
  if (one === other) return true;
  const within = async (whole: string, part: string): Promise<boolean> =>
    (await partitionsOf(sysfs, basename(whole))).includes(part);
  return (await within(one, other)) || (await within(other, one));
}

/** The devices of DRBD's resources on this host, by their kernel names: none of them is free. */
export async function heldByDrbd(exec: ExecPort, host: string): Promise<ReadonlySet<string>> {
  const here = await devicesOf(exec, host);
  const paths = here.ok ? here.value.map(({ path }) => path.text) : [];
  return new Set(await Promise.all(paths.map((path) => realpath(path).catch(() => path))));
}

async function devicesOf(exec: ExecPort, host: string): Promise<Result<readonly DeviceNamed[], string>> {
  const dump = await readDump(exec);
  return dump.ok ? ok(devicesIn(dump.value).filter((one) => one.host === host || one.host === null)) : dump;
}

/** Disks that say of themselves that they are this one: the two ports of a SAS disk, a LUN by two ways. */
async function otherPathsTo(kernelName: string, present: string | null, sysfs: string): Promise<readonly OtherPath[]> {
  const own = basename(kernelName);
  const wwid = await wwidOf(sysfs, own);
  if (wwid === null) return [];
  const others: OtherPath[] = [];
  for (const name of await readdir(join(sysfs, "block")).catch(() => []))
    if (name !== own && (await wwidOf(sysfs, name)) === wwid)
      others.push({
        kernelName: `/dev/${name}`,
        isConfigured: present === `/dev/${name}`,
        uses: await usesOf(sysfs, name),
      });
  return others;
}

/** Of NVMe the kernel keeps it with the disk, of SCSI and ATA with the device; null: it has none. */
async function wwidOf(sysfs: string, name: string): Promise<string | null> {
  for (const place of ["wwid", "device/wwid"]) {
    const text = await readFile(join(sysfs, "block", name, place), "utf8").catch(() => "");
    if (text.trim() !== "") return text.trim();
  }
  return null;
}
