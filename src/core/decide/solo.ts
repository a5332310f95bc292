// D3, D4, A15: the owner's I/O is suspended by DRBD until it is durable that the other copy cannot be used in its place.

import {
  deadAfterMs,
  episodeMs,
  grantHeld,
  ignoresHostLoss,
  inContact,
  isOwner,
  leaseLeftMs,
  provenOff,
  supersededWrites,
  view,
  voteHeld,
} from "../facts.ts";
import type { Proof, State } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import { demands, inForce } from "../rules.ts";
import { ask, change, effect, log, persist, type Turn } from "../turn.ts";
import { deaf } from "./self-fence.ts";

/** STRICT+VOTE tries the fence first and falls back to the vote this long before the lease ends (D4). */
const VOTE_FALLBACK_MS = 500;

/** Longer than DRBD's events need to say that the connection is gone. */
const OUTLIVED_MS = 2_000;

/** Longer than DRBD needs to lift a suspension after its handler's answer (0.1 s were seen). */
const LIFTS_MS = 2_000;

export function commitSolo(turn: Turn): void {
  answerHandlers(turn);
  const { state } = turn;
  if (state.solo !== null) return writeSolo(turn);
  if (!isOwner(state) || state.activity?.kind === "release" || state.activity?.kind === "soft-fence") return;
  const open = state.config.resources.filter(
    (r) => state.durable.solo[r] !== true && view(state, r)?.connection !== "Connected",
  );
  resumeOrphans(turn);
  if (open.length === 0) return;
  // Never bar the other copy in favour of one that is not whole: it may be the only one with every write.
  if (open.some((r) => view(state, r)?.disk !== "UpToDate")) return;
  const waiting = open.filter(
    (r) => state.handlers.some((h) => h.resource === r) || view(state, r)?.suspended === true,
  );
  if (inContact(state, turn.now)) {
    const resource = waiting[0];
    if (resource === undefined || turn.now < state.consentAfter) return;
    if (!inForce(state.config, "D3"))
      return change(turn, { solo: { proof: "consent", phase: "persisting", pending: -1, resources: [resource] } });
    const pending = ask(turn, { kind: "outdate", resource, epoch: state.durable.epoch }, 1_000);
    return change(turn, { solo: { proof: "consent", phase: "asking", pending, resources: [resource] } });
  }
  const proof = commitProof(state, turn.now);
  if (proof !== undefined) change(turn, { solo: { proof, phase: "persisting", pending: -1, resources: open } });
  if (turn.state.solo !== null) writeSolo(turn);
}

/** D4: what lets the owner go on alone without the peer's word; undefined = stay suspended. `granted`: is, or were, the grant held? */
export function commitProof(state: State, now: Instant, granted = grantHeld(state)): Proof | undefined {
  const { config, durable } = state;
  if (state.fence.confirmed) return "operator";
  const mineForbids = durable.ha !== "on" || durable.flags.manual;
  const peersForbids = durable.peerHa !== "on" || durable.peerFlags.manual;
  if (left(state)) return "left";
  // D1: nobody will take over by itself, so there is nothing to wait for.
  if (state.suspected && ((mineForbids && peersForbids) || ignoresHostLoss(state))) return "modes-forbid";
  if (!state.suspected || episodeMs(state, now) < deadAfterMs(state, now) || deaf(state, now)) return undefined;
  const byVote = demands(config, "D4", voteHeld(state, now)) && leaseLeftMs(state, now) > 0;
  switch (config.policy) {
    case "vote":
      return byVote ? "vote" : undefined;
    case "strict":
      return provenOff(state) ? "fenced" : undefined;
    case "strict+vote":
      if (provenOff(state)) return "fenced";
      return byVote && leaseLeftMs(state, now) <= VOTE_FALLBACK_MS ? "vote" : undefined;
    case "witness":
      return demands(config, "D4", granted) && leaseLeftMs(state, now) > 0 ? "witness" : undefined;
  }
}

/**
 * A13: the peer announced that it leaves and stopped being eligible. That word is final for its daemon, so its copy is not
 * used in this one's place before both talk again.
 */
const left = ({ peer, config }: State): boolean =>
  peer.body?.intent === "leaving" && peer.body.owner !== config.peerId && !peer.body.eligible;

/** Durable before effect (V6): only the written record answers the handler. */
function writeSolo(turn: Turn): void {
  const { solo, durable, peer } = turn.state;
  if (solo === null || solo.phase !== "persisting" || solo.pending !== -1) return;
  // A takeover may have come between the question and its answer: a host that was replaced commits nothing (D11).
  const replaced = !isOwner(turn.state) || (peer.body !== null && peer.body.epoch > durable.epoch);
  if (replaced && inForce(turn.state.config, "D11")) return change(turn, { solo: null });
  const marks = Object.fromEntries(solo.resources.map((resource) => [resource, true]));
  const patch = { epoch: durable.epoch + 1, owner: turn.state.config.hostId, solo: { ...durable.solo, ...marks } };
  const pending = persist(turn, patch, `go on alone (${solo.proof})`);
  if (pending !== undefined) change(turn, { solo: { ...solo, pending } });
}

function answerHandlers(turn: Turn): void {
  const { state, now } = turn;
  for (const { handler, resource, since } of state.handlers) {
    // The connection came back by itself: DRBD lifted the suspension, its helper still waits for us.
    const outlived = view(state, resource)?.connection === "Connected" && now - since >= OUTLIVED_MS;
    const code = outlived ? 1 : handlerCode(state, resource, now);
    if (code === undefined) continue;
    turn.actions.push({ kind: "answer-handler", handler, resource, code });
    log(turn, "handler.answered", `${resource}: ${code}`);
    change(turn, { handlers: turn.state.handlers.filter((h) => h.handler !== handler) });
    if (code === 4 || code === 7) noteAnswer(turn, resource);
  }
}

/** The entry of an answer that lets writes go on, among the repairs, until DRBD has had its time. */
const answered = (resource: string): string => `answer about ${resource}`;

function noteAnswer(turn: Turn, resource: string): void {
  change(turn, { repairs: { ...turn.state.repairs, [answered(resource)]: { id: -1, at: turn.now, failures: 0 } } });
}

/**
 * DRBD lifts the suspension itself when its handler ends. An order that comes in between begins a second generation: no copy
 * knows the first one, and DRBD calls the two a split brain (8.4).
 */
function stillLifting(turn: Turn, resource: string): boolean {
  const { [answered(resource)]: answer, ...others } = turn.state.repairs;
  if (answer === undefined) return false;
  if (turn.now - answer.at < LIFTS_MS) return true;
  change(turn, { repairs: others });
  return false;
}

function handlerCode(state: State, resource: string, now: Instant): 4 | 7 | 6 | 1 | undefined {
  // Before its writes are given up: the resource must not be taken down under a handler that waits (drivers/drbd/abandon).
  if (supersededWrites(state).includes(resource)) return 6;
  if (isOwner(state)) {
    // A record that clears `solo` is on its way to the disk: the other copy was in sync, so its word is needed anew (A2).
    const clearing = state.persisting !== null && state.persisting.record.solo[resource] !== true;
    if (state.durable.solo[resource] === true && !(clearing && inForce(state.config, "A2")))
      return inContact(state, now) ? 4 : 7;
    return undefined;
  }
  const peerServes = state.peer.body !== null && state.peer.body.owner === state.config.peerId;
  if (inContact(state, now) && peerServes && state.peer.body !== null && state.peer.body.epoch >= state.durable.epoch)
    return 6;
  // Somebody promotes by hand on a host that does not own the storage: no.
  return state.activity === null && state.claim === null ? 1 : undefined;
}

/** The entry of that order among the repairs: while there is one, it may still lift a suspension. */
export const resuming = (resource: string): string => `resume ${resource}`;

/** A15: suspended, nobody waits for an answer any more, and the proof is durable: lift the suspension. */
function resumeOrphans(turn: Turn): void {
  const { state } = turn;
  for (const resource of state.config.resources) {
    const v = view(state, resource);
    if (state.durable.solo[resource] !== true && inForce(state.config, "A15")) continue;
    const name = resuming(resource);
    const last = state.repairs[name];
    if (last !== undefined && (last.id !== -1 || turn.now - last.at < 2_000)) continue;
    const orphaned =
      v?.suspended === true && v.connection !== "Connected" && !state.handlers.some((h) => h.resource === resource);
    // One that failed may hang in the kernel and come through later: repeated, with proof, until one is known to be done.
    if (stillLifting(turn, resource)) continue;
    if (last === undefined && (!orphaned || turn.now - (state.drbdConnectedAt ?? state.startedAt) < 3_000)) continue;
    const id = effect(turn, { kind: "resume-io", resource });
    change(turn, { repairs: { ...turn.state.repairs, [name]: { id, at: turn.now, failures: last?.failures ?? 0 } } });
  }
}
