// The state of all resources, built from the objects DRBD reports one by one. Pure; shared by all parsers.
// It must never show a resource whose objects it could not read: such a picture fails as a whole.

import type { ConnectionState, DiskState, DrbdRole, DrbdView, ReplicationState } from "../../core/model/drbd.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { asConnection, asDisk, asReplication, asRole, busiestReplication, isResync, worstDisk } from "./words.ts";

/** `key:value` pairs of one object, merged over its life: a change names only what changed. */
export type Fields = Map<string, string>;

export interface ResourceObjects {
  readonly fields: Fields;
  /** By volume number. */
  readonly devices: Map<string, Fields>;
  /** By peer-node-id, or by name where the tool gives no id. */
  readonly connections: Map<string, Fields>;
  /** By peer and volume: `<peer>/<volume>`. */
  readonly peerDevices: Map<string, Fields>;
}

export const emptyResource = (): ResourceObjects => ({
  fields: new Map(),
  devices: new Map(),
  connections: new Map(),
  peerDevices: new Map(),
});

/** A resource as the driver needs it: the view of the core and the minor that commands of 8.4 address. */
export interface SeenResource {
  readonly view: DrbdView;
  /** Null when the resource has none or more than one volume: then only drbdadm knows what belongs together. */
  readonly minor: number | null;
}

interface SeenPeer {
  readonly connection: ConnectionState;
  readonly role: DrbdRole;
  readonly disk: DiskState;
  readonly replication: ReplicationState;
  readonly outOfSyncKiB: number | null;
  readonly donePercent: number | null;
}

/** The error is what could not be read, for the log. */
export function viewOf(name: string, objects: ResourceObjects): Result<SeenResource, string> {
  const role = asRole(objects.fields.get("role"));
  if (role === null) return err(`${name} role:${objects.fields.get("role") ?? ""}`);
  const disks: DiskState[] = [];
  let sizeKiB = 0;
  for (const device of objects.devices.values()) {
    const disk = asDisk(device.get("disk"));
    if (disk === null) return err(`${name} disk:${device.get("disk") ?? ""}`);
    disks.push(disk);
    sizeKiB += numberOf(device.get("size")) ?? 0;
  }
  const peers: SeenPeer[] = [];
  for (const [id, connection] of objects.connections) {
    const peer = peerOf(id, connection, objects, sizeKiB);
    if (!peer.ok) return err(`${name} ${peer.error}`);
    peers.push(peer.value);
  }
  const peer = chosenPeer(peers);
  const minor = objects.devices.size === 1 ? numberOf(objects.devices.values().next().value?.get("minor")) : null;
  return ok({
    minor,
    view: {
      role,
      disk: disks.length === 0 ? "Diskless" : worstDisk(disks),
      // 8.4 has no connection object at StandAlone.
      connection: peer?.connection ?? "StandAlone",
      replication: peer?.replication ?? "Off",
      peerRole: peer?.role ?? "Unknown",
      peerDisk: peer?.disk ?? "DUnknown",
      suspended: (objects.fields.get("suspended") ?? "no") !== "no",
      outOfSyncKiB: peer?.outOfSyncKiB ?? null,
      donePercent: peer?.donePercent ?? null,
      generation: null,
    },
  });
}

function peerOf(id: string, fields: Fields, objects: ResourceObjects, sizeKiB: number): Result<SeenPeer, string> {
  const connection = asConnection(fields.get("connection"));
  if (connection === null) return err(`connection:${fields.get("connection") ?? ""}`);
  const role = asRole(fields.get("role") ?? "Unknown");
  if (role === null) return err(`peer role:${fields.get("role") ?? ""}`);
  const disks: DiskState[] = [];
  const replications: ReplicationState[] = [];
  let outOfSync: number | null = null;
  let done: number | null = null;
  for (const [key, device] of objects.peerDevices) {
    if (!key.startsWith(`${id}/`)) continue;
    const disk = asDisk(device.get("peer-disk"));
    if (disk === null) return err(`peer-disk:${device.get("peer-disk") ?? ""}`);
    const replication = asReplication(device.get("replication") ?? "Off");
    if (replication === null) return err(`replication:${device.get("replication") ?? ""}`);
    disks.push(disk);
    replications.push(replication);
    const part = numberOf(device.get("out-of-sync"));
    if (part !== null) outOfSync = (outOfSync ?? 0) + part;
    const percent = numberOf(device.get("done"));
    if (percent !== null) done = Math.min(done ?? 100, percent);
  }
  const replication = busiestReplication(replications);
  return ok({
    connection,
    role,
    disk: disks.length === 0 ? "DUnknown" : worstDisk(disks),
    replication,
    outOfSyncKiB: outOfSync,
    donePercent: isResync(replication) ? (done ?? percentInSync(outOfSync, sizeKiB)) : null,
  });
}

/** events2 of 8.4 gives no `done:`; this is the same figure as its status prints. */
function percentInSync(outOfSyncKiB: number | null, sizeKiB: number): number | null {
  if (outOfSyncKiB === null || sizeKiB <= 0) return null;
  return Math.round((1 - outOfSyncKiB / sizeKiB) * 10_000) / 100;
}

/** Two-node pools have one peer. With more (DRBD 9) the one that counts holds data, and of those the one in contact. */
function chosenPeer(peers: readonly SeenPeer[]): SeenPeer | null {
  const score = (peer: SeenPeer) => (peer.disk === "Diskless" ? 0 : 2) + (peer.connection === "Connected" ? 1 : 0);
  return peers.reduce<SeenPeer | null>((best, one) => (best === null || score(one) > score(best) ? one : best), null);
}

export function numberOf(text: string | undefined): number | null {
  if (text === undefined || text === "") return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/** `a:b c:d` as one tool line prints it; words without a colon are left out. */
export function fieldsOf(words: readonly string[]): Fields {
  const fields: Fields = new Map();
  for (const word of words) {
    const colon = word.indexOf(":");
    if (colon > 0) fields.set(word.slice(0, colon), word.slice(colon + 1));
  }
  return fields;
}
