// May this host start VMs that ought to run and do not (spec part 6)? Not about a lost host's VMs: those are D7's.

import { inContact, isOwner, isSolo, serving } from "../facts.ts";
import { valueOf } from "../model/observation.ts";
import type { State } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import { demands } from "../rules.ts";

/**
 * Why not; undefined = it may. A20: manual mode and the other host's maintenance do not stop the restart of VMs that fell
 * down, nor does FENCE_ENABLED=0; HA off does, and this host's own maintenance.
 */
export function ownVmsRefusal(state: State, now: Instant): string | undefined {
  const { durable, config, peer } = state;
  if (!demands(config, "D1", durable.ha === "on")) return `HA is ${durable.ha} on this host`;
  if (durable.flags.maintenance) return "this host is in maintenance";
  if (state.softFenced) return "this host has fenced itself (D8)";
  if (state.stopping !== null) return "this host or its daemon is about to stop";
  const moving = state.recovery?.phase === "running" || state.promotion?.phase === "running";
  if (moving) return "the VMs of a lost host are being started";
  if (state.isolated?.phase === "asking" || state.isolated?.phase === "starting")
    return "the stalled VMs of the other host are being moved (A22)";
  const role = valueOf(state.xapi)?.role;
  if (role === undefined) return "the role of this host's toolstack is not known";
  if (!inContact(state, now)) {
    // Otherwise the other host may have replaced this one, or this host cannot know what runs there.
    if (isOwner(state) && isSolo(state) && serving(state)) return undefined;
    return "the other host does not answer";
  }
  if (role === "master" && peer.body?.xapi === "master") return "both toolstacks call themselves master";
  if (!serving(state) && peer.body?.serving !== true) return "the storage is served by nobody";
  return undefined;
}
