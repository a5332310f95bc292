// /proc/drbd of DRBD 8.4: complete, by minor, and read without a process. DRBD 9 prints only its version there. Pure.

import type { DrbdView, ReplicationState } from "../../core/model/drbd.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { numberOf } from "./picture.ts";
import { asConnection, asDisk, asReplication, asRole } from "./words.ts";

export interface ProcDrbd {
  readonly version: string;
  /** By minor; a minor that is not configured is absent. */
  readonly minors: ReadonlyMap<number, DrbdView>;
}

/**
 * A line is ` 1: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----`. The first of the six flags is `s`
 * while I/O is suspended for whatever reason (the others tell who paused a resync and what is congested).
 */
export function parseProcDrbd(text: string): Result<ProcDrbd, string> {
  const version = /^version: (\S+)/.exec(text)?.[1];
  if (version === undefined) return err(text.slice(0, 120));
  const minors = new Map<number, DrbdView>();
  let last: number | null = null;
  for (const line of text.split("\n")) {
    const head = /^\s*(\d+): cs:(\S+)(?: ro:(\w+)\/(\w+) ds:(\w+)\/(\w+)\s+([ABC]?)\s+([sr]\S*))?/.exec(line);
    if (head !== null) {
      last = null;
      const [, minor, state, role, peerRole, disk, peerDisk, , flags] = head;
      if (state === "Unconfigured") continue;
      const view = viewOfLine(state, role, peerRole, disk, peerDisk, flags);
      if (view === null) return err(line);
      last = Number(minor);
      minors.set(last, view);
      continue;
    }
    if (last === null) continue;
    const view = minors.get(last);
    if (view === undefined) continue;
    const outOfSync = numberOf(/\boos:(\d+)/.exec(line)?.[1]);
    const done = numberOf(/sync'ed:\s*([\d.]+)%/.exec(line)?.[1]);
    if (outOfSync !== null) minors.set(last, { ...view, outOfSyncKiB: outOfSync });
    if (done !== null) minors.set(last, { ...view, donePercent: done });
  }
  return ok({ version, minors });
}

function viewOfLine(
  state: string | undefined,
  roleWord: string | undefined,
  peerRoleWord: string | undefined,
  diskWord: string | undefined,
  peerDiskWord: string | undefined,
  flags: string | undefined,
): DrbdView | null {
  const role = asRole(roleWord);
  const peerRole = asRole(peerRoleWord);
  const disk = asDisk(diskWord);
  const peerDisk = asDisk(peerDiskWord);
  if (role === null || peerRole === null || disk === null || peerDisk === null || flags === undefined) return null;
  // cs: holds the connection, or the replication state of a connection that stands.
  const connection = asConnection(state);
  const replication: ReplicationState | null =
    connection === null ? asReplication(state) : connection === "Connected" ? "Established" : "Off";
  if (replication === null) return null;
  return {
    role,
    disk,
    connection: connection ?? "Connected",
    replication,
    peerRole,
    peerDisk,
    suspended: flags.startsWith("s"),
    outOfSyncKiB: null,
    donePercent: null,
    generation: null,
  };
}
