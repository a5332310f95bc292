// One host as the world sees it: power, kernel, DRBD, target, addresses; small integers that pack into one word.

import type { DiskState, DrbdView } from "../../src/core/model/drbd.ts";
import { RESOURCE } from "./scale.ts";

/** Values of `Host.disk`, in DRBD's own order. */
export const DISK = { inconsistent: 1, outdated: 2, consistent: 3, upToDate: 4 } as const;
/** Values of `Host.conn`. */
export const CONN = { connecting: 0, connected: 1, standAlone: 2 } as const;
/** Values of `Host.vms[i]`. */
export const VM = { absent: 0, paused: 1, running: 2 } as const;

/** Two protected VMs; VM i has its home on host i. */
export const VM_NAMES = ["vm-a", "vm-b"] as const;

export class Host {
  /** Number of this host's software state (locals.ts). */
  local = 0;
  power = 0;
  /** The kernel of dom0 stands still; domains run on, the hypervisor's watchdog counts on. */
  frozen = 0;
  /** The daemon stands still. */
  stalled = 0;
  /** Effects do not end. */
  stuck = 0;
  /** The DRBD resource is up. */
  up = 0;
  /** 1 = Primary. */
  role = 0;
  disk: number = DISK.upToDate;
  /** DRBD's metadata say that the peer's copy is Outdated. */
  peerOutdated = 0;
  suspended = 0;
  /** The fence-peer handler waits for an answer. */
  handler = 0;
  running = 0;
  filled = 0;
  portal = 0;
  barred = 0;
  /** The packet filter keeps initiators out. */
  blocked = 0;
  vip = 0;
  conn: number = CONN.connecting;
  armed = 0;
  /** Ticks since the watchdog was fed. */
  fed = 0;
  /** 1 = pool master. */
  master = 0;
  /** This disk holds every acknowledged write. */
  fresh = 1;
  vmA: number = VM.absent;
  vmB: number = VM.absent;
}

/** Everything but `local` and the VMs, which have words of their own. */
export function packHost(h: Host): number {
  return (
    h.power |
    (h.frozen << 1) |
    (h.stalled << 2) |
    (h.stuck << 3) |
    (h.up << 4) |
    (h.role << 5) |
    (h.disk << 6) |
    (h.peerOutdated << 9) |
    (h.suspended << 10) |
    (h.handler << 11) |
    (h.running << 12) |
    (h.filled << 13) |
    (h.portal << 14) |
    (h.barred << 15) |
    (h.blocked << 16) |
    (h.vip << 17) |
    (h.conn << 18) |
    (h.armed << 20) |
    (h.fed << 21) |
    (h.master << 24) |
    (h.fresh << 25) |
    (h.vmA << 26) |
    (h.vmB << 28)
  );
}

export function unpackHost(h: Host, word: number): void {
  h.power = word & 1;
  h.frozen = (word >> 1) & 1;
  h.stalled = (word >> 2) & 1;
  h.stuck = (word >> 3) & 1;
  h.up = (word >> 4) & 1;
  h.role = (word >> 5) & 1;
  h.disk = (word >> 6) & 7;
  h.peerOutdated = (word >> 9) & 1;
  h.suspended = (word >> 10) & 1;
  h.handler = (word >> 11) & 1;
  h.running = (word >> 12) & 1;
  h.filled = (word >> 13) & 1;
  h.portal = (word >> 14) & 1;
  h.barred = (word >> 15) & 1;
  h.blocked = (word >> 16) & 1;
  h.vip = (word >> 17) & 1;
  h.conn = (word >> 18) & 3;
  h.armed = (word >> 20) & 1;
  h.fed = (word >> 21) & 7;
  h.master = (word >> 24) & 1;
  h.fresh = (word >> 25) & 1;
  h.vmA = (word >> 26) & 3;
  h.vmB = (word >> 28) & 3;
}

/** What DRBD says on a host, as one number: `drbdView` turns it into the model's words. */
export function drbdCode(h: Host, peer: Host, generation: number, resyncing: boolean): number {
  if (h.up === 0) return 0;
  const connected = h.conn === CONN.connected;
  const peerDisk = connected ? peer.disk : h.peerOutdated === 1 ? DISK.outdated : 0;
  const replication = !connected ? 0 : !resyncing ? 1 : h.disk === DISK.inconsistent ? 3 : 2;
  const peerRole = connected ? 1 + peer.role : 0;
  return (
    1 |
    (h.role << 1) |
    (h.disk << 2) |
    (h.conn << 5) |
    (replication << 7) |
    (peerRole << 9) |
    (peerDisk << 11) |
    (h.suspended << 14) |
    (generation << 15)
  );
}

const DISKS: readonly DiskState[] = ["DUnknown", "Inconsistent", "Outdated", "Consistent", "UpToDate"];
const CONNECTIONS = ["Connecting", "Connected", "StandAlone"] as const;
const REPLICATIONS = ["Off", "Established", "SyncSource", "SyncTarget"] as const;
const ROLES = ["Unknown", "Secondary", "Primary"] as const;
/** Generation of a copy: the common one, a newer one made from it, and one made by each host from it. */
const CURRENT = ["10", "20", "30", "40"] as const;

export function drbdViews(code: number): Readonly<Record<string, DrbdView>> {
  if (code === 0) return {};
  const generation = (code >> 15) & 3;
  const view: DrbdView = {
    role: (code >> 1) & 1 ? "Primary" : "Secondary",
    disk: DISKS[(code >> 2) & 7] ?? "DUnknown",
    connection: CONNECTIONS[(code >> 5) & 3] ?? "Connecting",
    replication: REPLICATIONS[(code >> 7) & 3] ?? "Off",
    peerRole: ROLES[(code >> 9) & 3] ?? "Unknown",
    peerDisk: DISKS[(code >> 11) & 7] ?? "DUnknown",
    suspended: ((code >> 14) & 1) === 1,
    outOfSyncKiB: null,
    donePercent: null,
    generation: {
      current: CURRENT[generation] ?? "10",
      bitmap: generation === 0 ? "0" : "10",
      history: [],
    },
  };
  return { [RESOURCE]: view };
}

/** Target, floating IP, domains, toolstack and watchdog as one number. */
export function restCode(h: Host, peerMaster: number, management: number): number {
  return (
    h.running |
    (h.filled << 1) |
    (h.portal << 2) |
    (h.vip << 3) |
    (h.vmA << 4) |
    (h.vmB << 6) |
    (h.master << 8) |
    (peerMaster << 9) |
    (h.armed << 10) |
    (management << 11) |
    (h.barred << 12)
  );
}
