// Suspicion, vote samples and probes for signs of life during an outage of contact (D2, D10, protocol.md 2 and 4).

import { failVote } from "../absorb/vote.ts";
import {
  deadAfterMs,
  episodeMs,
  heldThroughout,
  inContact,
  isOwner,
  isSolo,
  notEligible,
  serving,
  silenceMs,
} from "../facts.ts";
import { valueOf } from "../model/observation.ts";
import type { State } from "../model/state.ts";
import type { Instant, Millis } from "../model/time.ts";
import { change, log, newId, type Turn } from "../turn.ts";
import { ask, samplesWitness } from "./witness.ts";

export function trackEpisode(turn: Turn, tick: boolean): void {
  const { state, now } = turn;
  if (inContact(state, now)) return;
  if (!state.suspected && silenceMs(state, now) >= suspectAfterMs(state)) {
    change(turn, { suspected: true });
    log(turn, "peer.suspected", `no answer from the other host for ${Math.round(silenceMs(state, now))} ms`, "warn");
  }
  if (!turn.state.dead && turn.state.suspected && episodeMs(turn.state, now) >= deadAfterMs(turn.state, now)) {
    change(turn, { dead: true });
    log(turn, "peer.dead", `silent on every channel for ${Math.round(episodeMs(turn.state, now))} ms`, "warn");
  }
  if (tick) {
    sample(turn);
    probe(turn);
  }
}

/** Without a first contact there is nothing to miss, but for an owner whose last one was its earlier daemon's. */
function suspectAfterMs(state: State): Millis {
  const { suspect, dead } = state.config.timers;
  if (state.peer.contactAt !== null) return suspect;
  return heldThroughout(state) ? dead : Infinity;
}

/** Is a vote or a probe of use to anything that may still happen? Then every T_h, else rarely, for display only. */
function undecided(state: State, now: Instant): boolean {
  if (state.peer.contactAt === null && !isOwner(state)) return false;
  // While VMs are being started the permission is asked again and again, with fresh probes (D7).
  if (isOwner(state)) return !isSolo(state) || (serving(state) && state.recovery?.phase !== "done");
  const domains = valueOf(state.domains) ?? [];
  return domains.length > 0 || notEligible(state, now) === undefined || state.votes.latched;
}

/** Contact is missed: an outage is suspected, or this daemon has waited as long for the first contact of its life. */
const missed = (state: State, now: Instant): boolean =>
  state.suspected || (state.peer.contactAt === null && now - state.startedAt >= state.config.timers.suspect);

function sample(turn: Turn): void {
  const { state, now } = turn;
  const { votes, config } = state;
  if (!missed(state, now)) return;
  if (votes.pending !== null) {
    // The result must come within 0.9 of a period; no answer is a failed sample.
    if (now - votes.pending.sentAt > config.timers.sample * 0.9)
      failVote(turn, "a vote sample was not answered in time");
    return;
  }
  if (votes.nextAt !== null && now < votes.nextAt) return;
  const period = undecided(state, now) ? config.timers.sample : 10 * config.timers.sample;
  const id = samplesWitness(state) ? ask(turn, "query", 0.85 * config.timers.sample) : sampleAddresses(turn);
  change(turn, { votes: { ...turn.state.votes, pending: { id, sentAt: now }, nextAt: now + period } });
}

function sampleAddresses(turn: Turn): number {
  const id = newId(turn);
  turn.actions.push({ kind: "sample", id });
  return id;
}

function probe(turn: Turn): void {
  const { state, now } = turn;
  const { probes, config } = state;
  if (!missed(state, now)) return;
  if (probes.pending !== null && now - (probes.askedAt ?? now) < 2 * config.timers.sample) return;
  if (probes.nextAt !== null && now < probes.nextAt) return;
  const period = undecided(state, now) ? config.timers.sample : 10 * config.timers.sample;
  const id = newId(turn);
  turn.actions.push({ kind: "probe", id });
  change(turn, { probes: { ...turn.state.probes, pending: id, askedAt: now, nextAt: now + period } });
}
