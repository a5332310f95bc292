// What one host looks like, as far as a setup is concerned. Plain JSON: the other host's comes through the pool. No secret
// is part of it: files are compared where they lie.

import type { SeenCopy } from "./in-use.ts";

/** What a host is and has, before anything was decided. */
export interface HostIdentity {
  readonly uuid: string;
  /** As `uname -n` says it. */
  readonly name: string;
  readonly version: string;
  readonly links: readonly LinkFacts[];
  readonly disks: readonly DiskSummary[];
}

export interface LinkFacts {
  readonly device: string;
  readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
  /** Null: the driver does not say. */
  readonly speedMbit: number | null;
}

export interface DiskSummary {
  /** The kernel's name, /dev/sdb. */
  readonly path: string;
  /** The best of the names that stay with the disk; null: it has none. */
  readonly stable: string | null;
  readonly sizeBytes: number;
  /** Nothing of the host uses it: a candidate. */
  readonly isFree: boolean;
}

/** What is on a disk. Everything that is not null or empty is somebody's data until a person says otherwise. */
export interface DiskFacts {
  /** As it was asked for. */
  readonly path: string;
  /** The kernel's own name, /dev/sdb. */
  readonly kernelName: string;
  /** Names of udev's that stay with the disk, the best one first. */
  readonly stable: readonly string[];
  readonly sizeBytes: number;
  /** File systems, partition tables, LVM, DRBD … as wipefs calls them. */
  readonly signatures: readonly string[];
  readonly mountedAt: readonly string[];
  /** Kernel names of what is built on it: dm-0, md0, drbd1. */
  readonly holders: readonly string[];
  readonly partitions: readonly string[];
  /** Samples that are not zero although no signature is known. */
  readonly hasUnknownContent: boolean;
}

export interface FileFacts {
  readonly text: string;
  readonly mode: number;
}

export interface ServiceFacts {
  readonly unit: string;
  readonly isEnabled: boolean;
  readonly isActive: boolean;
}

/** The replication link as the pool and the kernel describe it. */
export interface ReplicationFacts {
  readonly device: string;
  /** Null: it cannot be told. */
  readonly isBonded: boolean | null;
  readonly speedMbit: number | null;
  /** Who else was heard on it, by MAC address: with a cable from host to host nobody is. */
  readonly strangers: readonly string[];
  /** The address that was given is on this device. */
  readonly hasAddress: boolean;
}

/** Everything that the plan of one host is made from. Stays on the host. */
export interface HostFacts {
  readonly tools: ReadonlySet<string>;
  /** Null: neither the module nor the tools tell. */
  readonly drbdMajor: 8 | 9 | null;
  readonly moduleLoaded: boolean;
  readonly view: SeenCopy;
  /** DRBD runs some resource here, of this setup or not; true too when it did not say. */
  readonly isAnyUp: boolean;
  /** DRBD's generation of this host's copy was made with its metadata and never used since. */
  readonly isJustCreated: boolean;
  /** The reason when the disk cannot be looked at. */
  readonly disk: DiskFacts | { readonly fault: string };
  readonly files: ReadonlyMap<string, FileFacts>;
  readonly services: readonly ServiceFacts[];
  /** Rules that the running packet filter lacks, by tool. */
  readonly closedRules: ReadonlyMap<string, readonly (readonly string[])[]>;
  readonly multipathRuns: boolean;
  readonly hasMultipath: boolean;
  readonly link: ReplicationFacts;
  readonly handler: string | null;
}
