// The witness's grant (protocol.md 14): asked for before it is needed, kept as long as anything stands on it, given back
// when nothing does. The proofs of D4, D6 and D7 only read whether it is held.
//
//   none ──(D4, D6 or D7 wants it: grant)──► held ──(the copies agree again, or it was not used: release)──► none

import { allInSync, episodeMs, inContact, isOwner, isSolo, leaseLeftMs, stretch, view } from "../facts.ts";
import type { State } from "../model/state.ts";
import type { Instant, Millis } from "../model/time.ts";
import type { WitnessRequest } from "../model/witness.ts";
import { demands, inForce } from "../rules.ts";
import { change, log, newId, type Turn } from "../turn.ts";
import { WITNESS_REPORT_MS } from "../witness.ts";
import { restartRefusal } from "./recovery.ts";
import { deaf } from "./self-fence.ts";
import { commitProof } from "./solo.ts";
import { takeoverObstacle } from "./takeover.ts";

/** Samples of the vote ask the witness instead of the heuristic addresses (A5). */
export const samplesWitness = (state: State): boolean =>
  state.config.policy === "witness" && inForce(state.config, "A5");

export function ask(turn: Turn, kind: WitnessRequest["kind"], timeoutMs: Millis): number {
  const { config, durable, witness } = turn.state;
  const owner = isOwner(turn.state);
  const solo = owner && anySolo(turn.state);
  const request: WitnessRequest = {
    kind,
    resources: config.resources,
    // A solo owner's epoch is committed already; everybody else would commit the next one.
    epoch: durable.epoch + (kind === "grant" && !solo ? 1 : 0),
    owner,
    solo,
    takeMs: config.timers.take,
  };
  const stamps = config.witnesses.map((_, i) => witness.stamps[i] ?? null);
  const id = newId(turn);
  turn.actions.push({ kind: "ask-witness", id, timeoutMs, request, stamps });
  return id;
}

export function consultWitness(turn: Turn): void {
  const { state, now } = turn;
  const { witness, config } = state;
  if (config.policy !== "witness" || config.resources.length === 0) return;
  const timeoutMs = 2 * config.timers.sample;
  if (witness.pending !== null) {
    if (now - witness.pending.sentAt > 2 * timeoutMs) change(turn, { witness: { ...witness, pending: null } });
    return;
  }
  const kind = nextQuestion(state, now);
  if (kind === undefined) return;
  const id = ask(turn, kind, timeoutMs);
  const asked = { ...witness.asked, [kind]: now };
  const grantedAt = kind === "release" ? null : witness.grantedAt;
  if (kind !== "query" && witness.refusal === null) log(turn, said[kind].event, said[kind].detail);
  change(turn, { witness: { ...turn.state.witness, pending: { id, kind, sentAt: now }, asked, grantedAt } });
}

const said = {
  grant: { event: "witness.asked", detail: "asking the witness for the storage" },
  release: {
    event: "witness.released",
    detail: "nothing stands on the witness's grant any more: it is given back (A1)",
  },
} as const;

function nextQuestion(state: State, now: Instant): WitnessRequest["kind"] | undefined {
  const { witness, config } = state;
  const due = (kind: WitnessRequest["kind"], periodMs: Millis): boolean => {
    const at = witness.asked[kind];
    return at === null || now - at >= periodMs;
  };
  if (needsGrant(state, now)) {
    // Time presses for an owner whose lease runs; for the restart of VMs and for a takeover there is more of it.
    const hurry = isOwner(state) && !isSolo(state);
    if (witness.grantedAt === null && due("grant", hurry ? config.timers.sample : WITNESS_REPORT_MS / 2))
      return "grant";
  } else if (mayGiveBack(state) && holdsForNothing(state, now) && due("release", WITNESS_REPORT_MS / 2))
    return "release";
  // During an outage the vote samples ask (A5).
  return !state.suspected && due("query", WITNESS_REPORT_MS) ? "query" : undefined;
}

/** Would the grant, were it held, let something happen that does not happen without it? */
export function needsGrant(state: State, now: Instant): boolean {
  if (!state.suspected || inContact(state, now) || state.softFenced) return false;
  const { dead, lease, margin } = state.config.timers;
  const silentMs = episodeMs(state, now);
  if (isOwner(state)) {
    if (isSolo(state))
      return state.dead && state.recovery?.phase !== "done" && restartRefusal(state, now, true) === undefined;
    // A copy that is not whole bars nothing (D4), so a question would only rule the other host out.
    if (state.config.resources.some((r) => view(state, r)?.disk !== "UpToDate")) return false;
    const proof = commitProof(state, now, true);
    if (proof !== undefined) return proof === "witness";
    // Asked for before D4 may use it: between T_dead and the end of the lease there is little time for a slow witness.
    return silentMs >= dead / 2 && leaseLeftMs(state, now) > 0 && !deaf(state, now);
  }
  if (state.activity !== null || state.claim !== null) return false;
  // Not before the owner's lease is over on every clock: until then the grant is the owner's to ask for (D4). Asked for
  // then, it was held for a part of the time that D7 demands when the takeover begins.
  if (silentMs < (lease + margin) * stretch(state, now)) return false;
  return takeoverObstacle(state, now) === undefined;
}

const anySolo = (state: State): boolean => state.config.resources.some((r) => state.durable.solo[r] === true);

/** A1: a grant that a commit stands on is kept until the copies agree again, durably. */
function mayGiveBack(state: State): boolean {
  if (state.unsure !== null || state.persisting !== null || state.solo !== null || state.claim !== null) return false;
  if (state.activity?.kind === "activate") return false;
  return demands(state.config, "A1", !isOwner(state) || !anySolo(state));
}

/** Mine and not used; or that of a host which is not the owner any more although it could not say so itself. */
function holdsForNothing(state: State, now: Instant): boolean {
  const clean = isOwner(state) && inContact(state, now) && allInSync(state);
  return state.witness.answers.some(
    (answer) => answer !== null && answer.holder !== null && (answer.holder === state.config.hostId || clean),
  );
}
