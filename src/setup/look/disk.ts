// What is on a disk, asked from udev, wipefs and the kernel. Reads only; every program has a deadline, because a broken
// disk hangs whoever reads it.

import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import type { ExecPort } from "../../drivers/exec/port.ts";
import { succeeded } from "../../drivers/exec/outcome.ts";
import { describe } from "../../drivers/driver-error.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DiskFacts, DiskSummary } from "../facts.ts";

const SECTOR = 512;
const MIB = 1024 * 1024;
/** A first MiB, a last one, and some between: what is all zero there was never used by anything that is known. */
const SAMPLES = 16;
const LOOK_MS = 15_000;
const SAMPLES_MS = 60_000;

const BY_FOLDERS = ["/dev/disk/by-id", "/dev/disk/by-path"] as const;

export async function lookAtDisk(exec: ExecPort, path: string, sysfs = "/sys"): Promise<Result<DiskFacts, string>> {
  const kernelName = await realpath(path).catch(() => null);
  if (kernelName === null) return err(`${path} does not exist`);
  const size = await readSize(sysfs, basename(kernelName));
  if (size === null) return err(`${path} is no block device`);
  const wipefs = await wipefsTypes(exec, path);
  if (!wipefs.ok) return wipefs;
  const partitions = await partitionsOf(sysfs, basename(kernelName));
  const content = await hasContent(exec, path, size);
  if (!content.ok) return content;
  const names = [basename(kernelName), ...partitions.map((one) => basename(one))];
  const holders = await Promise.all(names.map((name) => holdersOf(sysfs, name)));
  return ok({
    path,
    kernelName,
    stable: await stableNames(kernelName),
    sizeBytes: size,
    signatures: wipefs.value,
    mountedAt: await mountsOf(sysfs, names),
    holders: holders.flat(),
    partitions,
    hasUnknownContent: content.value,
  });
}

/** Parsable lines of wipefs: offset,uuid,label,type; the type comes last in every version. */
export function parseWipefs(stdout: string): readonly string[] {
  const types = stdout
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .flatMap((line) => line.split(",").at(-1)?.trim() || []);
  return [...new Set(types)];
}

export async function wipefsTypes(exec: ExecPort, path: string): Promise<Result<readonly string[], string>> {
  const options = { timeoutMs: LOOK_MS, lane: `look ${path}` };
  const done = succeeded(`wipefs ${path}`, await exec.run("wipefs", ["--parsable", path], options));
  return done.ok ? ok(parseWipefs(done.value.stdout)) : err(describe(done.error));
}

async function readSize(sysfs: string, name: string): Promise<number | null> {
  const text = await readFile(join(sysfs, "class/block", name, "size"), "utf8").catch(() => null);
  return text === null ? null : Number(text.trim()) * SECTOR;
}

export async function partitionsOf(sysfs: string, name: string): Promise<readonly string[]> {
  const folder = join(sysfs, "class/block", name);
  const found: string[] = [];
  for (const one of await readdir(folder).catch(() => [])) {
    const isPartition = await readFile(join(folder, one, "partition"), "utf8").catch(() => null);
    if (isPartition !== null) found.push(`/dev/${one}`);
  }
  return found.toSorted();
}

const holdersOf = (sysfs: string, name: string): Promise<readonly string[]> =>
  readdir(join(sysfs, "class/block", name, "holders")).catch(() => []);

async function mountsOf(sysfs: string, names: readonly string[]): Promise<readonly string[]> {
  const text = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
  const numbers = await Promise.all(names.map((name) => text(join(sysfs, "class/block", name, "dev"))));
  const [mountinfo, swaps] = await Promise.all([text("/proc/self/mountinfo"), text("/proc/swaps")]);
  const used = usesIn(mountinfo, swaps);
  const sources = new Map<string, string>();
  for (const { source } of used)
    if (source.startsWith("/dev/")) sources.set(source, await realpath(source).catch(() => source));
  const devices = new Set(names.map((name) => `/dev/${name}`));
  const own = new Set(numbers.map((number) => number.trim()).filter((number) => number !== ""));
  const here = used.filter(({ source, number }) => devices.has(sources.get(source) ?? source) || own.has(number ?? ""));
  return [...new Set(here.map(({ where }) => where))];
}

interface Use {
  readonly where: string;
  /** As it was given: a volume of LVM has another name in /dev/mapper than its kernel device. */
  readonly source: string;
  /** major:minor of what is mounted; some file systems show one of their own. */
  readonly number: string | null;
}

/** proc(5): mountinfo has the source after the separator; of swaps the first line is a heading. */
export function usesIn(mountinfo: string, swaps: string): readonly Use[] {
  const mounts = mountinfo.split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , number, , where] = before.split(" ");
    const [, source] = after.split(" ");
    return number === undefined || where === undefined || source === undefined ? [] : [{ where, source, number }];
  });
  const swapped = swaps
    .split("\n")
    .slice(1)
    .flatMap((line) => line.split(/\s+/)[0] || [])
    .map((source) => ({ where: "swap", source, number: null }));
  return [...mounts, ...swapped];
}

/** by-id before by-path, and what names the hardware (wwn, scsi, ata) before the rest. */
export async function stableNames(kernelName: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (const folder of BY_FOLDERS) {
    for (const name of (await readdir(folder).catch(() => [])).toSorted(byRank)) {
      const to = await readlink(join(folder, name)).catch(() => "");
      if (basename(to) === basename(kernelName)) names.push(join(folder, name));
    }
  }
  return names;
}

const RANKS = [/^wwn-/, /^scsi-/, /^nvme-/, /^ata-/];
const rank = (name: string): number => {
  const found = RANKS.findIndex((one) => one.test(name));
  return found < 0 ? RANKS.length : found;
};
const byRank = (a: string, b: string): number => rank(a) - rank(b) || a.localeCompare(b);

/** One shell for all samples, because starting a program is what costs. 0: all are zero, 1: one is not, 2: trouble. */
const SAMPLE_SCRIPT =
  'disk=$1; shift; for at; do cmp --silent --bytes="${at%%:*}" --ignore-initial="0:${at#*:}" /dev/zero "$disk"; r=$?; [ $r -eq 0 ] || exit $r; done';

async function hasContent(exec: ExecPort, path: string, sizeBytes: number): Promise<Result<boolean, string>> {
  const last = Math.max(0, Math.floor(sizeBytes / MIB) - 1);
  const offsets = new Set(Array.from({ length: SAMPLES }, (_, i) => Math.round((last * i) / (SAMPLES - 1)) * MIB));
  // The very end, where metadata lies, whatever the size.
  offsets.add(Math.max(0, sizeBytes - MIB));
  const samples = [...offsets].map((offset) => `${Math.min(MIB, sizeBytes - offset)}:${offset}`);
  const options = { timeoutMs: SAMPLES_MS, lane: `look ${path}` };
  const result = await exec.run("sh", ["-c", SAMPLE_SCRIPT, "sh", path, ...samples], options);
  if (result.kind === "exited" && result.code <= 1) return ok(result.code === 1);
  const why = result.kind === "exited" ? `cmp ended with ${result.code}: ${result.stderr.trim()}` : result.kind;
  return err(`${path} cannot be read: ${why}`);
}

/** Whole disks, as candidates: nothing mounted, built on or partitioned. What is on them is not looked at here. */
export async function listDisks(sysfs = "/sys"): Promise<readonly DiskSummary[]> {
  const disks: DiskSummary[] = [];
  const names: readonly string[] = await readdir(join(sysfs, "block")).catch(() => []);
  for (const name of names.toSorted()) {
    if (/^(loop|ram|dm-|md|drbd|nbd|sr|fd|zram|td)/.test(name)) continue;
    const sizeBytes = await readSize(sysfs, name);
    if (sizeBytes === null || sizeBytes === 0) continue;
    const path = `/dev/${name}`;
    const [stable = null] = await stableNames(path);
    disks.push({ path, stable, sizeBytes, isFree: (await usesOf(sysfs, name)).length === 0 });
  }
  return disks;
}

/** What makes it none of the free ones: partitions, what is built on it, where it is mounted. */
export async function usesOf(sysfs: string, name: string): Promise<readonly string[]> {
  const [partitions, holders, mounts] = await Promise.all([
    partitionsOf(sysfs, name),
    holdersOf(sysfs, name),
    mountsOf(sysfs, [name]),
  ]);
  return [...partitions, ...holders, ...mounts];
}

/** Of any block device, by whatever name; null: there is none, or it has no size yet. */
export async function deviceBytes(path: string, sysfs = "/sys"): Promise<number | null> {
  const kernelName = await realpath(path).catch(() => null);
  return kernelName === null ? null : (await readSize(sysfs, basename(kernelName))) || null;
}
