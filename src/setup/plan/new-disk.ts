// Whether a disk may be put in the place of a broken one, before anything is written. Pure. What is on it, and whether it is
// mounted or built on, is the plan's part, as with any disk.

import type { DiskFacts } from "../facts.ts";

export interface NewDisk {
  readonly disk: DiskFacts;
  readonly resource: string;
  /** The disk that the resource has in its configuration. */
  readonly configured: string;
  /** What is on its partitions; none: it has none. */
  readonly partitions: readonly Pick<DiskFacts, "path" | "signatures">[];
  /** The same disk under other kernel names, by another cable or controller. */
  readonly otherPaths: readonly OtherPath[];
  /** The other resource that has it as its disk; null: none. */
  readonly ownedBy: string | null;
  /** Of the resource on this host. */
  readonly volumes: number;
  /** Where the resource keeps its metadata; null: on the disk. */
  readonly metaDisk: string | null;
  /** Of the replicated device; null: neither host says. */
  readonly neededBytes: number | null;
}

export interface OtherPath {
  readonly kernelName: string;
  readonly isConfigured: boolean;
  readonly uses: readonly string[];
}

/** What a person does where this command must not: drbdadm makes the metadata of all of a resource, and asks before. */
export const byHand = (resource: string, disk: string): string =>
  `by hand: write disk "${disk}"; for this host into DRBD's configuration of ${resource} on both hosts, ` +
  `then here: drbdadm create-md ${resource}; drbdadm attach ${resource}`;

/** Null: nothing speaks against it. */
export function whyUnfit(wanted: NewDisk): string | null {
  const { disk, resource, configured, partitions, otherPaths, ownedBy, volumes, metaDisk, neededBytes } = wanted;
  if (volumes > 1)
    return `${resource} has ${volumes} volumes, and metadata would be made on all of them; ${byHand(`${resource}/VOLUME`, disk.path)}`;
  if (metaDisk !== null)
    return `${resource} keeps its metadata on ${metaDisk}, which nobody agreed to write to; ${byHand(resource, disk.path)}`;
  if (ownedBy !== null) return `${disk.path} is the disk of the DRBD resource ${ownedBy}; name another one`;
  for (const { kernelName, isConfigured, uses } of otherPaths) {
    if (isConfigured)
      return `${disk.path} is another path to ${configured} (${kernelName}), the disk that ${resource} has now; name another one`;
    if (uses.length > 0)
      return `${disk.path} is another path to ${kernelName}, which is in use (${uses.join(", ")}); name another one`;
  }
  for (const { path, signatures } of [disk, ...partitions]) {
    const member = signatures.find((one) => /^LVM\d*_member$|_raid_member$/.test(one));
    // Below DRBD lies what VMs wrote, volumes among it: that is a copy, not a member.
    if (member !== undefined && !signatures.includes("drbd"))
      return `${path} is a member of ${member.startsWith("LVM") ? "LVM" : "a RAID"} (${member}); if nothing needs it any more, first: ${freeing(member)} ${path}`;
  }
  if (neededBytes !== null && usableBytes(disk.sizeBytes) < neededBytes)
    return `${disk.path} is too small: ${resource} has ${neededBytes} bytes, and ${usableBytes(disk.sizeBytes)} are left on it beside DRBD's metadata; name a larger one`;
  return null;
}

const freeing = (member: string): string =>
  member.startsWith("LVM") ? "pvremove" : member === "linux_raid_member" ? "mdadm --zero-superblock" : "wipefs --all";

const SECTOR = 512;

/**
 * What internal metadata leave of a disk (drbdmeta, 8.4; 9 with one other host): at the end 4 KiB of superblock and 32 KiB of
 * activity log, before them one bit for each 4 KiB, in whole blocks.
 */
export function usableBytes(sizeBytes: number): number {
  const sectors = Math.floor(sizeBytes / SECTOR / 8) * 8;
  return Math.max(0, sectors - 72 - Math.ceil(sectors / 2 ** 18) * 8) * SECTOR;
}
