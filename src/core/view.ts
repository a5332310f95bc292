// What a person is told: the state of this host in one word, and one sentence that says who is waited for, why and how
// long still. Pure; used by status, explain and the log.

import {
  episodeMs,
  inContact,
  isOwner,
  isSolo,
  leaseLeftMs,
  looked,
  peerOwns,
  quiet,
  serving,
  silenceMs,
  suspended,
  takeAfterMs,
  unheard,
  voteHeld,
  votePasses,
} from "./facts.ts";
import { fenceForbidden } from "./decide/fencing.ts";
import { restartRefusal } from "./decide/recovery.ts";
import { takeoverRefusal } from "./decide/takeover.ts";
import { commitProof } from "./decide/solo.ts";
import type { HostState } from "./model/status.ts";
import type { State } from "./model/state.ts";
import type { Instant } from "./model/time.ts";

export function hostState(state: State): HostState {
  if (state.blocked !== null) return "BLOCKED";
  if (state.softFenced || state.activity?.kind === "soft-fence") return "FENCED_SELF";
  if (state.activity?.kind === "release" || state.handover !== null) return "RELEASING";
  if (state.activity?.kind === "activate") return "TAKING";
  if (state.durable.flags.manual) return "MANUAL";
  if (state.durable.flags.maintenance) return "MAINTENANCE";
  if (!looked(state) || (state.peer.contactAt === null && !isOwner(state))) return "JOINING";
  if (isOwner(state)) {
    if (isSolo(state)) return "OWNER_SOLO";
    return state.suspected ? "SUSPECT_O" : "OWNER";
  }
  if (state.suspected) return "SUSPECT_S";
  return state.durable.ha === "off" && state.durable.owner === null ? "DISABLED" : "STANDBY";
}

export const seconds = (ms: number): string => `${(Math.max(0, ms) / 1000).toFixed(1)} s`;

export function outcome(state: State, now: Instant): string {
  if (state.blocked !== null) return `blocked: ${state.blocked}; an operator is needed`;
  if (state.activity !== null) return `${state.activity.kind}, step ${state.activity.stage + 1}: ${state.activity.why}`;
  if (state.handover !== null) return "the storage is offered to the other host";
  if (state.claim !== null) return "asking the other host whether this one may own the storage";
  if (!looked(state)) return "looking at DRBD, target and floating IP for the first time";
  const contact = inContact(state, now);
  if (state.softFenced) return "stopped serving, domains paused, until the other host answers (D8)";
  if (isOwner(state)) {
    if (serving(state)) {
      if (contact) return isSolo(state) ? "serving; the other copy is behind" : "serving; both copies in sync";
      // DRBD, which goes on, is as good a word of the other host: nothing waits.
      if (!isSolo(state)) return `serving; the other host is silent for ${seconds(silenceMs(state, now))}`;
      const refusal = restartRefusal(state, now);
      return refusal === undefined
        ? "serving alone; the other host's VMs start here"
        : `serving alone; its VMs wait: ${refusal}`;
    }
    if (contact) return "owner, not serving yet";
    return `${suspended(state) ? "serving, but I/O waits" : "owner, not serving"}: ${waitingFor(state, now)}`;
  }
  if (contact) return peerOwns(state) ? "standby: the other host owns the storage" : "nobody owns the storage yet";
  if (state.peer.contactAt === null)
    return `waiting for the first word of the other host for ${seconds(now - state.startedAt)} (D12)`;
  return `the other host is silent for ${seconds(silenceMs(state, now))}: ${waitingFor(state, now)}`;
}

/** Who or what is waited for during an outage of contact. */
export function waitingFor(state: State, now: Instant): string {
  if (isOwner(state)) {
    if (isSolo(state)) return restartRefusal(state, now) ?? "nothing";
    const proof = commitProof(state, now);
    if (proof !== undefined) return "the durable record";
    const { dead } = state.config.timers;
    if (unheard(state)) return "the first word of the other host, or 'iscsi-cfg confirm-peer-off' if it is off";
    if (episodeMs(state, now) < dead) return `${seconds(dead - episodeMs(state, now))} more of silence`;
    if (state.config.policy === "witness")
      return leaseLeftMs(state, now) > 0 ? "the witness's grant" : "the other host";
    const fence = state.config.policy === "vote" ? undefined : fenceForbidden(state, now);
    if (state.fence.pending !== null) return "the fence device";
    return fence ?? (voteHeld(state, now) ? "the lease" : "the vote of the heuristic addresses");
  }
  if (state.fence.pending !== null) return "the fence device";
  return takeoverRefusal(state, now) ?? "nothing";
}

export interface EpisodeView {
  readonly sinceMs: number;
  readonly leaseLeftMs: number;
  readonly takeoverInMs: number | null;
  readonly vote: "held" | "lost" | "not-needed";
  readonly waitingFor: string;
  readonly quiet: boolean;
}

export function episodeView(state: State, now: Instant): EpisodeView | null {
  if (!state.suspected) return null;
  const { policy, quorumRequired } = state.config;
  const needsVote = policy !== "strict" || quorumRequired;
  // A grant is exclusive by itself: under WITNESS the newest sample counts (D8), not that none ever failed.
  const held = policy === "witness" ? votePasses(state, now) : voteHeld(state, now);
  return {
    sinceMs: Math.round(silenceMs(state, now)),
    leaseLeftMs: Math.round(leaseLeftMs(state, now)),
    takeoverInMs: isOwner(state) ? null : Math.max(0, Math.round(takeAfterMs(state, now) - silenceMs(state, now))),
    vote: needsVote ? (held ? "held" : "lost") : "not-needed",
    waitingFor: waitingFor(state, now),
    quiet: quiet(state, now),
  };
}
