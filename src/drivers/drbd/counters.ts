// What the kernel counts for one device, read without a process: /sys/block/drbdN/stat (iostats of the block layer) and, on 8.4,
// /proc/drbd. Neither waits for the device, so a hung disk does not hold it up.

import { readFile } from "node:fs/promises";
import { numberOf } from "./picture.ts";
import { parseProcDrbd } from "./parse-proc.ts";
import type { DrbdCounters } from "./port.ts";

/** Field 7 of the block layer's statistics: sectors written (Documentation/block/stat). */
const WRITTEN = 6;

export async function readCounters(minor: number): Promise<DrbdCounters> {
  const [stat, proc] = await Promise.all([textOf(`/sys/block/drbd${minor}/stat`), textOf("/proc/drbd")]);
  return countersOf(minor, stat, proc);
}

/** Pure; null where a text says nothing. */
export function countersOf(minor: number, stat: string, proc: string): DrbdCounters {
  const seen = parseProcDrbd(proc);
  return {
    writtenSectors: numberOf(stat.trim().split(/\s+/)[WRITTEN]),
    outOfSyncKiB: seen.ok ? (seen.value.minors.get(minor)?.outOfSyncKiB ?? null) : null,
  };
}

/** Empty where there is no such file: another version, or a device that is not there. */
const textOf = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
