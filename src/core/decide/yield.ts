// become-secondary with both hosts in manual mode: the owner prepares the other host and serves on until become-primary is
// said there, or until its time is over (spec part 5). A script that issues both commands then meets the stall of a switch.
// The operator's word is durable before it is confirmed: a restarted daemon keeps it.

import { inContact, isOwner, peerOwns } from "../facts.ts";
import type { PendingCommand, State } from "../model/state.ts";
import type { Instant, Millis } from "../model/time.ts";
import { change, persist, type Turn } from "../turn.ts";
import { begin } from "./begin.ts";
import { end, to } from "./command-reply.ts";
import { releaseRefusal } from "./ownership.ts";

/** Longer than a command line takes to start on a loaded dom0, short enough for a person who waits. */
export const YIELD_MS: Millis = 10_000;
/** A release that was rolled back is tried again after this. */
const AGAIN_MS: Millis = 60_000;
const WRITE_MS: Millis = 5_000;

/** False when the other host cannot be prepared: then this host lets go at once. */
export const mayYield = (state: State, now: Instant): boolean =>
  state.peer.body?.flags.manual === true && releaseRefusal(state, now) === undefined;

export function releaseToNobody(turn: Turn): void {
  begin(turn, {
    kind: "release",
    why: "become-secondary by an operator",
    to: "nobody",
    record: { yields: false },
  });
}

export function progressYield(turn: Turn, command: PendingCommand, waitedMs: Millis): void {
  if (turn.state.durable.yields === true) {
    turn.actions.push({ kind: "beat" });
    const text = `the other host may take the storage now; without it this host lets go in ${YIELD_MS / 1_000} s`;
    return end(turn, command, "done", text, "run 'iscsi-cfg become-primary' on the other host");
  }
  if (waitedMs > WRITE_MS)
    return end(turn, command, "failed", "the durable record could not be written", "is the disk full?");
  if (mayYield(turn.state, turn.now)) return void persist(turn, { yields: true }, "become-secondary by an operator");
  releaseToNobody(turn);
  to(turn, command, "release");
}

/** The other host did not come for the storage: the operator's word holds without it. */
export function keepYielding(turn: Turn): void {
  const { yieldsUntil, activity, handover, durable } = turn.state;
  if (durable.yields !== true || !isOwner(turn.state) || !durable.flags.manual) {
    if (yieldsUntil !== null) change(turn, { yieldsUntil: null });
    if (durable.yields === true) persist(turn, { yields: false }, "become-secondary is done, or manual mode is over");
    return;
  }
  if (yieldsUntil === null) return change(turn, { yieldsUntil: turn.now + YIELD_MS });
  if (turn.now < yieldsUntil || activity !== null || handover !== null) return;
  change(turn, { yieldsUntil: turn.now + AGAIN_MS });
  releaseToNobody(turn);
}

/** The owner, in manual mode like this host, said by an operator's word that this host may take the storage. */
export function peerYields(state: State, now: Instant): boolean {
  const body = state.peer.body;
  return inContact(state, now) && peerOwns(state) && body?.flags.manual === true && body.intent === "releasing";
}
