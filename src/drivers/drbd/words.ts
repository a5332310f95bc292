// DRBD's words as this host's tools print them, narrowed to the types of the core. A word that is not known is no word:
// the parser that met it fails, because a state that cannot be read must never look like a good one.

import type { ConnectionState, DiskState, DrbdRole, ReplicationState } from "../../core/model/drbd.ts";

const roles: readonly DrbdRole[] = ["Primary", "Secondary", "Unknown"];

/** From worst to best, as in the kernel's enum drbd_disk_state: of several volumes the worst one counts. */
const disks: readonly DiskState[] = [
  "Diskless",
  "Attaching",
  "Detaching",
  "Failed",
  "Negotiating",
  "Inconsistent",
  "Outdated",
  "DUnknown",
  "Consistent",
  "UpToDate",
];

const connections: readonly ConnectionState[] = [
  "StandAlone",
  "Disconnecting",
  "Unconnected",
  "Timeout",
  "BrokenPipe",
  "NetworkFailure",
  "ProtocolError",
  "TearDown",
  "Connecting",
  "Connected",
];

/** Of several volumes the one that is busiest counts: anything but Established before Established. */
const replications: readonly ReplicationState[] = [
  "Off",
  "Established",
  "StartingSyncS",
  "StartingSyncT",
  "WFBitMapS",
  "WFBitMapT",
  "WFSyncUUID",
  "SyncSource",
  "SyncTarget",
  "VerifyS",
  "VerifyT",
  "PausedSyncS",
  "PausedSyncT",
  "Ahead",
  "Behind",
];

const find = <T extends string>(list: readonly T[], word: string | undefined): T | null =>
  list.find((known) => known === word) ?? null;

export const asRole = (word: string | undefined): DrbdRole | null => find(roles, word);
export const asDisk = (word: string | undefined): DiskState | null => find(disks, word);
export const asReplication = (word: string | undefined): ReplicationState | null => find(replications, word);

/** /proc/drbd and `drbdadm cstate` of 8.4 say WFConnection and WFReportParams for what status and events2 call Connecting. */
export function asConnection(word: string | undefined): ConnectionState | null {
  if (word === "WFConnection" || word === "WFReportParams") return "Connecting";
  return find(connections, word);
}

export function worstDisk(states: readonly DiskState[]): DiskState {
  return states.reduce((worst, one) => (disks.indexOf(one) < disks.indexOf(worst) ? one : worst), "UpToDate");
}

export function busiestReplication(states: readonly ReplicationState[]): ReplicationState {
  const busy = states.find((one) => one !== "Established" && one !== "Off");
  if (busy !== undefined) return busy;
  return states.length > 0 && states.every((one) => one === "Established") ? "Established" : "Off";
}

/** A resync or its preparation: while one runs the target's data must not be promoted. */
export function isResync(state: ReplicationState): boolean {
  return /^(StartingSync|WFBitMap|WFSyncUUID|Sync|PausedSync)/.test(state);
}
