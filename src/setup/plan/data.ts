// What a disk holds, in words. Pure.

import type { DiskFacts } from "../facts.ts";

/** Empty: nothing of anybody's was found. */
export function dataOn({
  signatures,
  partitions,
  mountedAt,
  holders,
  hasUnknownContent,
}: DiskFacts): readonly string[] {
  return [
    ...mountedAt.map((where) => `it is mounted at ${where}`),
    ...holders.map((one) => `${one} is built on it`),
    ...partitions.map((one) => `the partition ${one}`),
    ...signatures.map((one) => (one === "drbd" ? "metadata of DRBD: a replicated disk" : `a signature of ${one}`)),
    ...(hasUnknownContent && signatures.length === 0 ? ["content that no tool here knows; not blank"] : []),
  ];
}

/** Not a sector of it was ever written, as far as samples tell. */
export const isBlank = (disk: DiskFacts): boolean => dataOn(disk).length === 0;
