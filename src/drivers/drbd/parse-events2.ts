// `drbdsetup events2 [--now] --statistics`, as DRBD 9 prints it and as the 8.4 twin of drbd-utils 9 does. Pure.
// One line is one event; the picture is whole once `exists -` was read, and worthless after the stream ended.

import { err, ok, type Result } from "../../util/result.ts";
import { emptyResource, fieldsOf, type Fields, type ResourceObjects, type SeenResource, viewOf } from "./picture.ts";

/** What a line did: nothing of interest, a change, or the end of the first dump. `unreadable` voids the picture. */
export type EventEffect = "ignored" | "changed" | "complete" | "unreadable";

export interface EventPicture {
  apply(line: string): EventEffect;
  /** False until the first dump is complete: until then absence means nothing. */
  complete(): boolean;
  resources(): Result<ReadonlyMap<string, SeenResource>, string>;
}

export function createEventPicture(): EventPicture {
  const resources = new Map<string, ResourceObjects>();
  let isComplete = false;

  function apply(line: string): EventEffect {
    // With --timestamps each line starts with one; we do not ask for them.
    const words = line.trim().split(/\s+/);
    const [verb, kind, ...rest] = words;
    if (verb === undefined || verb === "") return "ignored";
    if (verb === "exists" && kind === "-") {
      isComplete = true;
      return "complete";
    }
    // Helpers (call, response), paths and what newer versions add do not change a state we show.
    if (verb !== "exists" && verb !== "create" && verb !== "change" && verb !== "destroy" && verb !== "rename") {
      return "ignored";
    }
    if (kind !== "resource" && kind !== "connection" && kind !== "device" && kind !== "peer-device") return "ignored";
    const fields = fieldsOf(rest);
    const name = fields.get("name");
    if (name === undefined) return "unreadable";
    if (verb === "rename") return rename(name, fields.get("new_name"));
    if (verb === "destroy") return destroy(kind, name, fields);
    const objects = resources.get(name) ?? emptyResource();
    resources.set(name, objects);
    const target = objectOf(kind, objects, fields);
    if (target === null) return "unreadable";
    for (const [key, value] of fields) target.set(key, value);
    // A resync that ended says so by leaving `done:` out.
    if (kind === "peer-device" && !fields.has("done")) target.delete("done");
    return "changed";
  }

  function rename(name: string, newName: string | undefined): EventEffect {
    const objects = resources.get(name);
    if (objects === undefined || newName === undefined) return "unreadable";
    resources.delete(name);
    resources.set(newName, objects);
    return "changed";
  }

  function destroy(kind: ObjectKind, name: string, fields: Fields): EventEffect {
    const objects = resources.get(name);
    if (objects === undefined) return "ignored";
    const peer = peerKey(fields);
    const volume = fields.get("volume") ?? "";
    switch (kind) {
      case "resource":
        resources.delete(name);
        break;
      case "connection":
        objects.connections.delete(peer);
        // The 8.4 kernel names no peer-device when a connection goes: they go with it.
        for (const key of objects.peerDevices.keys()) if (key.startsWith(`${peer}/`)) objects.peerDevices.delete(key);
        break;
      case "device":
        objects.devices.delete(volume);
        break;
      case "peer-device":
        objects.peerDevices.delete(`${peer}/${volume}`);
        break;
    }
    return "changed";
  }

  return {
    apply,
    complete: () => isComplete,
    resources() {
      const seen = new Map<string, SeenResource>();
      for (const [name, objects] of resources) {
        // Between `create device` and `create resource` there is nothing to show yet.
        if (!objects.fields.has("role")) continue;
        const one = viewOf(name, objects);
        if (!one.ok) return err(one.error);
        seen.set(name, one.value);
      }
      return ok(seen);
    },
  };
}

type ObjectKind = "resource" | "connection" | "device" | "peer-device";

function objectOf(kind: ObjectKind, objects: ResourceObjects, fields: Fields): Fields | null {
  const peer = peerKey(fields);
  const volume = fields.get("volume");
  switch (kind) {
    case "resource":
      return objects.fields;
    case "connection":
      return entry(objects.connections, peer);
    case "device":
      return volume === undefined ? null : entry(objects.devices, volume);
    case "peer-device":
      return volume === undefined ? null : entry(objects.peerDevices, `${peer}/${volume}`);
  }
}

/** Both generations print peer-node-id (always 0 with 8.4, which leaves conn-name out at StandAlone). */
function peerKey(fields: Fields): string {
  return fields.get("peer-node-id") ?? fields.get("conn-name") ?? "";
}

function entry(map: Map<string, Fields>, key: string): Fields {
  const known = map.get(key);
  if (known !== undefined) return known;
  const fresh: Fields = new Map();
  map.set(key, fresh);
  return fresh;
}

/** The whole output of `events2 --now --statistics`. An output without its last line `exists -` was cut off. */
export function parseEvents2(text: string): Result<ReadonlyMap<string, SeenResource>, string> {
  const picture = createEventPicture();
  for (const line of text.split("\n")) {
    if (picture.apply(line) === "unreadable") return err(line);
  }
  if (!picture.complete()) return err(`${text.slice(-80)} [no "exists -"]`);
  return picture.resources();
}
