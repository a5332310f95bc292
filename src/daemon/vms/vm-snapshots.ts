// What VM protection needs to know of the decision: from the pair's, or from that of a larger pool. Pure.

import { roleMoves } from "../../core/decide/repair.ts";
import { valueOf } from "../../core/model/observation.ts";
import type { Snapshot } from "../brain/messages.ts";
import type { PoolSnapshot } from "../brain/pool-brain.ts";
import type { VmSnapshot } from "./vm-watch.ts";

type Others = VmSnapshot["others"];

/** `members`: what runs on the pool's hosts beyond the pair. */
export function vmsOfPair(now: Snapshot | null, peerId: string, members: Others): VmSnapshot | null {
  if (now === null) return null;
  const { state, inContact, ownVmsRefusal } = now;
  const { body } = state.peer;
  const peers = inContact && body !== null ? new Set(body.domains) : null;
  return {
    ha: state.durable.ha,
    role: valueOf(state.xapi)?.role ?? null,
    ownDomains: valueOf(state.domains) ?? null,
    others: new Map([...members, [peerId, peers]]),
    vacated: new Set(!inContact && body?.vacated === true ? [peerId] : []),
    // Out of contact only VMs that ran here last are started, and only by a host that nobody can have replaced.
    needed: inContact ? [peerId] : [],
    ownVmsRefusal,
    roleMoves: roleMoves(state),
  };
}

/** A VM is started only while the host that ran it last tells its domains; no other single host is needed for that. */
export function vmsOfPool(now: PoolSnapshot | null, others: Others): VmSnapshot | null {
  if (now === null) return null;
  const { state, ownVmsRefusal } = now;
  return {
    ha: state.durable.ha,
    role: valueOf(state.xapi)?.role ?? null,
    ownDomains: valueOf(state.domains) ?? null,
    others,
    vacated: new Set(),
    needed: [],
    ownVmsRefusal,
    // Only a host of the pair has a part in that.
    roleMoves: false,
  };
}
