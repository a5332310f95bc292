// D6: the non-owner takes the storage without a release. Every condition is a sentence, so that waiting explains itself.

import {
  drbdConnected,
  grantHeld,
  inContact,
  isOwner,
  looked,
  notEligible,
  provenOff,
  quiet,
  silenceMs,
  takeAfterMs,
  takeoverForbidden,
  voteHeld,
} from "../facts.ts";
import { valueOf } from "../model/observation.ts";
import type { State } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import { demands } from "../rules.ts";
import { alert, change, type Turn } from "../turn.ts";
import { begin } from "./begin.ts";
import { blockFlapping, FLAPPING, flapRefusal, tooMany } from "./flap.ts";
import { deaf } from "./self-fence.ts";

/** Why an activation takes the storage without a word of the other host, and without a person's. */
export const TAKEOVER = "takeover: the other host is gone (D6)";

/** How the reason of that block begins. */
export const VIP_ANSWERED = "the floating IP is answered by";

/** Why this host does not take over now; undefined = take over. */
export function takeoverRefusal(state: State, now: Instant): string | undefined {
  return unfit(state, now) ?? proofMissing(state, now) ?? adverse(state, now);
}

/** Why it would not, whatever the policy's proof said. */
export function takeoverObstacle(state: State, now: Instant): string | undefined {
  return unfit(state, now) ?? adverse(state, now);
}

/** What keeps this host itself from taking over. */
function unfit(state: State, now: Instant): string | undefined {
  const { config } = state;
  if (!config.mayTakeOver) return "PROMOTE_SLAVE is 0 on this host";
  const forbidden = takeoverForbidden(state);
  if (forbidden !== undefined) return forbidden;
  if (!looked(state)) return "the state of the storage on this host is not known yet";
  if (inContact(state, now) || !state.suspected) return "the other host answers";
  if (!demands(config, "D6", !drbdConnected(state))) return "DRBD is connected to the other host";
  if (deaf(state, now)) return "the other host is heard although it does not hear this one (D9)";
  return notEligible(state, now);
}

/** What else speaks against it at this moment. */
function adverse(state: State, now: Instant): string | undefined {
  const { config } = state;
  if (state.probes.conflictMac !== null) return `${VIP_ANSWERED} ${state.probes.conflictMac}`;
  if (!demands(config, "D6", quiet(state, now))) return "waiting until nothing of the other host was heard for a while";
  if (valueOf(state.vip) !== "absent" && valueOf(state.vip) !== "present")
    return "the interface of the floating IP is missing";
  return flapRefusal(state, now);
}

/** The policy's proof that the old owner cannot serve any more. */
export function proofMissing(state: State, now: Instant): string | undefined {
  const { config } = state;
  const left = takeAfterMs(state, now) - silenceMs(state, now);
  const byVote = (): string | undefined => {
    if (!demands(config, "D6", left <= 0))
      return `the old owner's lease and watchdog run for another ${Math.ceil(left / 1000)} s`;
    return voteHeld(state, now) ? undefined : "this host has no vote of the heuristic addresses";
  };
  switch (config.policy) {
    case "vote":
      return state.fence.confirmed ? undefined : byVote();
    case "strict":
      return demands(config, "D14", provenOff(state)) ? undefined : "the other host is not proven off";
    case "strict+vote":
      return provenOff(state) ? undefined : byVote();
    case "witness":
      if (state.fence.confirmed) return undefined;
      if (!demands(config, "D6", left <= 0))
        return `the old owner's lease and watchdog run for another ${Math.ceil(left / 1000)} s`;
      return demands(config, "D6", grantHeld(state)) ? undefined : "no witness granted the storage to this host";
  }
}

/** What blocked is over: an operator acted (A23), whoever answered for the floating IP is silent. */
function unblock(turn: Turn): void {
  const { blocked, probes } = turn.state;
  const over =
    (blocked?.startsWith(FLAPPING) === true && !tooMany(turn.state, turn.now)) ||
    (blocked?.startsWith(VIP_ANSWERED) === true && probes.conflictMac === null);
  if (over) change(turn, { blocked: null });
}

export function decideTakeover(turn: Turn): void {
  unblock(turn);
  const { state, now } = turn;
  if (isOwner(state) || !state.suspected || state.softFenced || now < state.retryAt) return;
  if (state.activity !== null || state.claim !== null || state.handover !== null) return;
  if (state.probes.conflictMac !== null && state.dead && state.blocked === null) {
    const text = `${VIP_ANSWERED} ${state.probes.conflictMac}`;
    change(turn, { blocked: text });
    alert(turn, "vip-conflict", text);
  }
  if (takeoverRefusal(state, now) !== undefined) return blockFlapping(turn);
  change(turn, { blocked: null });
  begin(turn, {
    kind: "activate",
    why: TAKEOVER,
    record: {
      epoch: state.durable.epoch + 1,
      owner: state.config.hostId,
      solo: Object.fromEntries(state.config.resources.map((r) => [r, true])),
      takeovers: state.moves.length + 1,
    },
  });
}
