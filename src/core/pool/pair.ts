// What the protocol of the pair says to the pool's decision function on a storage host.

import { inContact, isOwner, isSolo, leaseLeftMs, provenOff, serving } from "../facts.ts";
import type { State } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import type { PairFacts } from "./model.ts";

/**
 * Authority needs more than a record that says "owner": this host serves, and no other host may, because both talk, the
 * lease runs, or the other copy is barred (D5).
 */
export function pairFacts(state: State, now: Instant): PairFacts {
  const { epoch, owner, ha, flags } = state.durable;
  const exclusive = inContact(state, now) || leaseLeftMs(state, now) > 0 || isSolo(state);
  return {
    authority: isOwner(state) && serving(state) && !state.softFenced && exclusive,
    epoch,
    owner,
    ha,
    maintenance: flags.maintenance,
    peerOff: provenOff(state),
  };
}
