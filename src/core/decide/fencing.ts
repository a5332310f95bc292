// D14: power the silent peer off, and believe only a power state that was read back as off.

import {
  deadAfterMs,
  drbdConnected,
  episodeMs,
  hostLossForbidden,
  inContact,
  isOwner,
  isSolo,
  leftCleanly,
  moveForbidden,
  notEligible,
  quiet,
  silenceMs,
  someView,
  voteHeld,
} from "../facts.ts";
import type { State } from "../model/state.ts";
import type { Instant, Millis } from "../model/time.ts";
import { demands, inForce } from "../rules.ts";
import { alert, change, effect, log, type Turn } from "../turn.ts";
import { deaf } from "./self-fence.ts";

const MAX_ATTEMPTS = 3;
/** How the reason of that block begins. */
export const FENCING_FAILED = "fencing failed";
/** A person's word in the place of the device's. */
export const PROVE_OFF = "make sure that the other host is off, then run 'iscsi-cfg confirm-peer-off'";

/** An owner whose turn comes decides within this; the rest of T_fdelay is its agent's. */
const LATE_MS = 300;

/** How much longer than this one the other host may wait because it is slow (A8). */
const SLOWEST = 3;

/**
 * Since when the other host is lost, as it sees this one lost too: from the last contact on, or from the loss of DRBD's
 * connection where that was an event of its own and not merely noticed later.
 */
const lostMs = (state: State, now: Instant): Millis => {
  const byDrbd = now - (state.drbdConnectedAt ?? -Infinity);
  const silent = silenceMs(state, now);
  return silent - byDrbd > state.config.timers.drbd ? byDrbd : silent;
};

/** The device calls the other host off and nothing was heard of it since: nobody is there who could shoot back (D14). */
const seemsOff = ({ fence, peer }: State): boolean =>
  fence.offAt !== null && (peer.signAt === null || peer.signAt < fence.offAt);

/** Why the peer is not fenced now; undefined = fence it. */
export function fenceForbidden(state: State, now: Instant): string | undefined {
  const { config, fence } = state;
  if (config.policy !== "strict" && config.policy !== "strict+vote") return "this policy has no fence device";
  const forbidden = hostLossForbidden(state);
  if (forbidden !== undefined) return forbidden;
  if (!demands(config, "D14", !inContact(state, now) && state.suspected)) return "the other host answers";
  if (drbdConnected(state)) return "DRBD is connected to the other host";
  if (!demands(config, "D14", !leftCleanly(state, now)))
    return "the other host announced that it leaves and gave everything back (A13)";
  const needsVote = config.policy !== "strict" || config.quorumRequired;
  if (needsVote && !demands(config, "D14", voteHeld(state, now)))
    return "this host has no vote of the heuristic addresses";
  // D9: the other host acts as if this one were dead; both would shoot.
  if (deaf(state, now) && inForce(config, "D9"))
    return "the other host is heard although it does not hear this one (D9)";
  const dead = deadAfterMs(state, now);
  if (episodeMs(state, now) < dead) return `silent for ${Math.round(episodeMs(state, now))} of ${Math.round(dead)} ms`;
  const { drbd, fenceDelay, fence: longest } = config.timers;
  // Its power is switched off and read back all the same: only the owner's turn, which it cannot take, is not waited for.
  const alone = seemsOff(state);
  const silent = alone ? silenceMs(state, now) : lostMs(state, now);
  // The owner's episode may begin up to T_drbd after this one's contact ended: its DRBD notices the loss that much later.
  const own = dead + (alone ? 0 : drbd) + fenceDelay;
  if (!isOwner(state) && silent < own)
    return `silent for ${Math.round(silent)} of ${Math.round(own)} ms: the owner fences first`;
  // An owner that was kept from it for so long meets the other host's first attempt: it lets that one end (V14).
  if (isOwner(state) && fence.attempts === 0 && silent > dead + drbd + LATE_MS && silent < own + longest)
    return "it is the other host's turn to fence: both would shoot";
  if (isOwner(state) && state.peer.contactAt === null) {
    // This daemon does not know how long the outage lasts already, nor whether the other host had said that it leaves or
    // pauses: whatever that one does is over by then, and nothing on it answers any more.
    if (fence.attempts === 0 && silent < SLOWEST * dead + drbd + fenceDelay + longest)
      return "it is the other host's turn to fence: this daemon began during the outage";
    if (!quiet(state, now)) return "waiting until nothing of the other host was heard for a while";
  }
  if (fence.verifiedAt !== null || fence.confirmed) return "the other host is proven off";
  if (fence.attempts >= MAX_ATTEMPTS) return `${FENCING_FAILED} ${fence.attempts} times: ${fence.lastFailure ?? ""}`;
  return undefined;
}

export function decideFencing(turn: Turn): void {
  const { state, now } = turn;
  const { fence, config } = state;
  if (fence.pending !== null || (fence.nextAt !== null && now < fence.nextAt)) return;
  if (fence.attempts >= MAX_ATTEMPTS && fence.lastFailure !== null && state.suspected) {
    if (state.blocked === null) {
      change(turn, { blocked: `${FENCING_FAILED} ${fence.attempts} times (${fence.lastFailure})` });
      alert(turn, "fencing", `the other host is silent and could not be powered off: ${fence.lastFailure}`);
    }
    return;
  }
  // A solo owner needs no proof any more for its storage, only for the peer's VMs (D5, D7).
  if (isOwner(state) && isSolo(state) && state.recovery !== null) return;
  // A host that could not serve afterwards gains nothing by shooting the other one, and one fault must not take both
  // down (V14): a non-owner that is not eligible, an owner whose disk failed.
  if (!isOwner(state) && (notEligible(state, now) ?? moveForbidden(state)) !== undefined) return;
  if (isOwner(state) && someView(state, (v) => v?.disk !== "UpToDate")) return;
  if (fenceForbidden(state, now) !== undefined) return;
  const pending = effect(turn, { kind: "fence", hostId: config.peerId });
  change(turn, { fence: { ...turn.state.fence, pending, attempts: fence.attempts + 1 } });
  log(turn, "fence.requested", `attempt ${fence.attempts + 1} of ${MAX_ATTEMPTS}`, "warn");
}
