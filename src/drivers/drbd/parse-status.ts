// `drbdsetup status --json` (DRBD 9) and `drbdsetup status --verbose --statistics` (8.4 and 9, text). Pure.
// Both give the picture of one moment; the daemon follows events2 and uses these where only a status output is at hand.

import { err, ok, type Result } from "../../util/result.ts";
import { emptyResource, fieldsOf, type Fields, type ResourceObjects, type SeenResource, viewOf } from "./picture.ts";

type Seen = Result<ReadonlyMap<string, SeenResource>, string>;

/**
 * The text form: a resource starts in column 0, a volume of ours or a connection is indented by two, a peer's volume by
 * four, statistics deeper than what they belong to. Without --verbose it is not enough (defaults are left out).
 */
export function parseStatusText(output: string): Seen {
  const resources = new Map<string, ResourceObjects>();
  let objects: ResourceObjects | null = null;
  let peer: string | null = null;
  let current: Fields | null = null;
  for (const line of output.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const indent = line.length - line.trimStart().length;
    const words = line.trim().split(/\s+/);
    const fields = fieldsOf(words);
    const volume = fields.get("volume");
    if (indent === 0) {
      const name = words[0];
      if (name === undefined || !fields.has("role")) return err(line);
      objects = emptyResource();
      resources.set(name, objects);
      current = objects.fields;
      peer = null;
    } else if (objects === null) {
      return err(line);
    } else if (indent === 2 && volume !== undefined) {
      current = new Map();
      objects.devices.set(volume, current);
      peer = null;
    } else if (indent === 2 && fields.has("connection")) {
      peer = fields.get("node-id") ?? words[0] ?? "";
      current = new Map();
      objects.connections.set(peer, current);
    } else if (indent === 4 && volume !== undefined && peer !== null) {
      current = new Map();
      objects.peerDevices.set(`${peer}/${volume}`, current);
    }
    if (current === null) return err(line);
    for (const [key, value] of fields) current.set(key, value);
  }
  return views(resources);
}

/** The JSON form is an array of resources; numbers and booleans are kept as text, as in the other forms. */
export function parseStatusJson(output: string): Seen {
  const parsed = parseJson(output);
  if (!Array.isArray(parsed)) return err(output.slice(0, 120));
  const resources = new Map<string, ResourceObjects>();
  for (const resource of parsed as readonly unknown[]) {
    if (!isRecord(resource)) return err(output.slice(0, 120));
    const name = resource["name"];
    if (typeof name !== "string") return err(JSON.stringify(resource).slice(0, 120));
    const objects = emptyResource();
    copy(resource, objects.fields);
    // JSON gives the suspension as flags of its own beside or instead of `suspended`.
    objects.fields.set("suspended", suspension(resource));
    for (const device of listOf(resource["devices"])) {
      copy(device, entryOf(objects.devices, text(device["volume"])));
    }
    for (const connection of listOf(resource["connections"])) {
      const peer = text(connection["peer-node-id"] ?? connection["name"]);
      const fields = entryOf(objects.connections, peer);
      copy(connection, fields);
      fields.set("connection", text(connection["connection-state"]));
      fields.set("role", text(connection["peer-role"] ?? "Unknown"));
      for (const device of listOf(connection["peer_devices"])) {
        const peerFields = entryOf(objects.peerDevices, `${peer}/${text(device["volume"])}`);
        copy(device, peerFields);
        peerFields.set("replication", text(device["replication-state"] ?? "Off"));
        peerFields.set("peer-disk", text(device["peer-disk-state"]));
        const done = device["percent-in-sync"];
        if (typeof done === "number") peerFields.set("done", String(done));
      }
    }
    for (const fields of objects.devices.values())
      fields.set("disk", fields.get("disk-state") ?? fields.get("disk") ?? "");
    resources.set(name, objects);
  }
  return views(resources);
}

function suspension(resource: Readonly<Record<string, unknown>>): string {
  const flags = ["suspended-user", "suspended-no-data", "suspended-fencing", "suspended-quorum"];
  const set = flags.filter((flag) => resource[flag] === true);
  if (set.length > 0) return set.join(",");
  const suspended = resource["suspended"];
  return suspended === true || (typeof suspended === "string" && suspended !== "no") ? String(suspended) : "no";
}

function views(resources: ReadonlyMap<string, ResourceObjects>): Seen {
  const seen = new Map<string, SeenResource>();
  for (const [name, objects] of resources) {
    const one = viewOf(name, objects);
    if (!one.ok) return err(one.error);
    seen.set(name, one.value);
  }
  return ok(seen);
}

function parseJson(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch (thrown) {
    // Not JSON is an answer too: the caller sees that it is no array.
    return thrown instanceof SyntaxError ? null : thrown;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? (value as readonly unknown[]).filter(isRecord) : [];
}

/** Anything else than a plain value reads as nothing, which no state is. */
function text(value: unknown): string {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}

function copy(from: Readonly<Record<string, unknown>>, to: Fields): void {
  for (const [key, value] of Object.entries(from)) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean")
      to.set(key, String(value));
  }
}

function entryOf(map: Map<string, Fields>, key: string): Fields {
  const fresh: Fields = new Map();
  map.set(key, fresh);
  return fresh;
}
