// What the decision function must never ask for (V5, V7), judged by the record on its disk and by what it knows.

import { inContact } from "../../src/core/facts.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { State } from "../../src/core/model/state.ts";
import type { Action } from "../../src/core/plan/action.ts";
import { RESOURCE } from "./scale.ts";

/** The invariant that `action` breaks, in words, or null. */
export function brokenBy(action: Action, state: State, disk: DurableRecord, now: number): string | null {
  switch (action.kind) {
    case "fence":
      return brokenByFence(action.hostId, state, now);
    case "recover-peer":
    case "xapi-promote":
    case "xapi-reset-left":
    case "recover-supporters":
    case "start-confirmed":
    case "destroy-domains":
      return forbidden(disk, action.kind);
    case "persist":
      return takesOver(action.record, state, disk) ? (forbidden(disk, "takes over") ?? inManualMode(disk)) : null;
    default:
      return null;
  }
}

function brokenByFence(hostId: string, state: State, now: number): string | null {
  const { config, durable, peer } = state;
  if (hostId === config.hostId) return "V7 a host fences itself";
  if (inContact(state, now)) return "V7 a host in contact is fenced";
  if (peer.body?.intent === "paused") return "V7 a host whose daemon is being exchanged is fenced";
  if (durable.peerFlags.maintenance || durable.peerHa !== "on")
    return "V7 a host that is disabled or in maintenance is fenced";
  return null;
}

/** D1: what nobody ordered happens only while HA is on in both last-known records. */
function forbidden({ ha, peerHa }: DurableRecord, what: string): string | null {
  return ha === "on" && peerHa === "on" ? null : `V5 ${what} although HA is ${ha} here and ${peerHa} on the other host`;
}

/** A20: manual mode is about the storage alone. */
const inManualMode = ({ flags, peerFlags }: DurableRecord): string | null =>
  flags.manual || peerFlags.manual ? "V5 the storage is taken over in manual mode" : null;

/** Without a word of the other host, nor of a person. */
function takesOver(record: DurableRecord, { config, commands }: State, disk: DurableRecord): boolean {
  const ordered = commands.some(({ kind }) => kind === "switch" || kind === "become-primary");
  const taken = record.owner === config.hostId && disk.owner !== config.hostId;
  return taken && record.solo[RESOURCE] === true && !ordered;
}
