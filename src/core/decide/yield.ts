// become-secondary with both hosts in manual mode: the owner prepares the other host and serves on until become-primary is
// said there, or until its time is over (spec part 5). A script that issues both commands then meets the stall of a switch.

import { inContact, isOwner, peerOwns } from "../facts.ts";
import type { State } from "../model/state.ts";
import type { Instant, Millis } from "../model/time.ts";
import { change, type Turn } from "../turn.ts";
import { begin } from "./begin.ts";
import { releaseRefusal } from "./ownership.ts";

/** Longer than a command line takes to start on a loaded dom0, short enough for a person who waits. */
export const YIELD_MS: Millis = 10_000;

/** False when the other host cannot be prepared: then this host lets go at once. */
export function beginToYield(turn: Turn): boolean {
  const { state, now } = turn;
  if (state.peer.body?.flags.manual !== true || releaseRefusal(state, now) !== undefined) return false;
  change(turn, { yieldsUntil: now + YIELD_MS });
  turn.actions.push({ kind: "beat" });
  return true;
}

/** The other host did not come for the storage: the operator's word holds without it. */
export function stopYielding(turn: Turn): void {
  const { yieldsUntil, activity, handover, durable } = turn.state;
  if (yieldsUntil === null || (turn.now < yieldsUntil && isOwner(turn.state) && durable.flags.manual)) return;
  change(turn, { yieldsUntil: null });
  if (!isOwner(turn.state) || !durable.flags.manual || activity !== null || handover !== null) return;
  begin(turn, { kind: "release", why: "become-secondary by an operator", to: "nobody" });
}

/** The owner, in manual mode like this host, said by an operator's word that this host may take the storage. */
export function peerYields(state: State, now: Instant): boolean {
  const body = state.peer.body;
  return inContact(state, now) && peerOwns(state) && body?.flags.manual === true && body.intent === "releasing";
}
