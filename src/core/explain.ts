// Why this host does what it does, and what it waits for: one sentence per rule that holds something back at this
// moment, for an administrator. Pure; `explain` of the command-line tools and the status print it.

import { CONFIRM_OFF, PAUSED_OFF, wayOut } from "./decide/alarms.ts";
import { autoReleaseRefusal, releaseCause } from "./decide/auto-release.ts";
import { fenceForbidden } from "./decide/fencing.ts";
import { flapLeftMs, flapRefusal } from "./decide/flap.ts";
import { isolationLeftMs, isolationRefusal } from "./decide/isolated.ts";
import { releaseRefusal } from "./decide/ownership.ts";
import { promotionRefusal, restartRefusal } from "./decide/recovery.ts";
import { deaf } from "./decide/self-fence.ts";
import { commitProof } from "./decide/solo.ts";
import { takeoverRefusal } from "./decide/takeover.ts";
import {
  allInSync,
  deadAfterMs,
  drbdConnected,
  episodeMs,
  hostLossForbidden,
  inContact,
  isOwner,
  isSolo,
  leaseLeftMs,
  leftCleanly,
  looked,
  moveForbidden,
  notEligible,
  peerOwns,
  restartAfterMs,
  serving,
  silenceMs,
  stretch,
  unheard,
  takeAfterMs,
  suspended,
} from "./facts.ts";
import { valueOf } from "./model/observation.ts";
import type { State } from "./model/state.ts";
import type { Instant, Millis } from "./model/time.ts";
import type { RuleId } from "./rules.ts";
import { heldByPeer } from "./witness.ts";

export interface Explanation {
  /** The rule of the protocol that says so. */
  readonly rule: RuleId;
  /** Who or what is waited for, and why; a whole sentence without a full stop. */
  readonly sentence: string;
  /** How long at least, where time alone decides; null where somebody or something else has to change. */
  readonly remainingMs: Millis | null;
}

type Clause = (state: State, now: Instant) => Explanation | undefined;

const because = (rule: RuleId, sentence: string, remainingMs: Millis | null = null): Explanation => ({
  rule,
  sentence,
  remainingMs: remainingMs === null ? null : Math.max(0, Math.round(remainingMs)),
});

const mode: Clause = (state) => {
  const forbidden = hostLossForbidden(state) ?? moveForbidden(state);
  if (forbidden === undefined || state.stopping !== null || state.peer.body?.intent === "paused") return undefined;
  const left = state.durable.ha === "leaving" ? "A4" : "D1";
  return because(left, `nothing automatic that this forbids happens: ${forbidden}`);
};

const stopping: Clause = (state, now) => {
  const { stopping: mine, peer } = state;
  if (mine?.phase === "resuming")
    return because("A7", "this daemon took another one's place and waits for the other host's word");
  if (mine?.intent === "paused")
    return because("A7", "this daemon is about to stop; the other host acts neither for nor against this one");
  if (mine?.intent === "leaving") return because("A13", "this host leaves: storage and VMs go to the other host");
  if (peer.body?.intent !== "paused" || state.fence.confirmed) return undefined;
  const unarmed = "the other host's daemon was stopped in an orderly way, and its watchdog is not armed again";
  return inContact(state, now)
    ? because("A7", `${unarmed}: nothing would be done about its silence; if that lasts, run 'ha-cfg check' there`)
    : because("A7", `${unarmed}: ${PAUSED_OFF}`);
};

const leaving: Clause = (state, now) => {
  if (state.peer.body?.intent !== "leaving") return undefined;
  if (!leftCleanly(state, now)) return because("A13", "the other host leaves and has not given everything back");
  const left = state.config.timers.leave - (now - (state.peer.heardAt ?? now));
  return because("A13", "the other host left and gave everything back: it is not powered off", left);
};

const joining: Clause = (state, now) => {
  if (!looked(state)) return because("D12", "waiting for a first look at DRBD, the target and the floating IP");
  if (state.peer.contactAt !== null || (isOwner(state) && (isSolo(state) || serving(state)))) return undefined;
  const waited = Math.round((now - state.startedAt) / 1000);
  return because(
    "D12",
    `waiting for the first word of the other host for ${waited} s: only it knows whether this copy is the newest`,
  );
};

const consent: Clause = (state, now) => {
  if (!isOwner(state) || !suspended(state) || !inContact(state, now)) return undefined;
  const left = state.consentAfter > now ? state.consentAfter - now : null;
  return because("D3", "I/O waits until the other host has made its copy outdated", left);
};

const solo: Clause = (state, now) => {
  if (!isOwner(state) || !suspended(state) || inContact(state, now)) return undefined;
  if (state.solo !== null || commitProof(state, now) !== undefined)
    return because("D4", "I/O waits for the durable record that the other copy is barred");
  if (unheard(state)) {
    const since = "I/O waits for the first word of the other host: this daemon cannot know since when it is silent";
    return because("D10", `${since}; if that host is off, 'iscsi-cfg confirm-peer-off' lets the I/O go on`);
  }
  const left = deadAfterMs(state, now) - episodeMs(state, now);
  if (left > 0) return because("D4", "I/O waits for more silence of the other host before it may go on alone", left);
  if (state.fence.pending !== null)
    return because("D4", "I/O waits for the fence device to read the power back as off");
  if (state.config.policy === "strict")
    return because("D4", "I/O waits for proof that the other host is off; 'iscsi-cfg confirm-peer-off' gives it too");
  if (state.config.policy === "witness") return because("D4", "I/O waits for the witness to grant the storage");
  const lost = leaseLeftMs(state, now) === 0 ? "the lease ended before the vote was held" : "the vote is not held";
  return because("D4", `I/O waits for the other host: ${lost}`);
};

const alone: Clause = (state, now) => {
  if (!isOwner(state) || !isSolo(state)) return undefined;
  const sentence = "this host serves alone: it needs neither lease nor vote until the other copy is up to date again";
  return inContact(state, now) && drbdConnected(state) && !allInSync(state)
    ? because("A2", "the other copy is being brought up to date; until then it cannot take over")
    : because("D5", sentence);
};

const takeover: Clause = (state, now) => {
  if (isOwner(state) || !state.suspected || inContact(state, now)) return undefined;
  if (state.activity !== null) return undefined;
  const refusal = takeoverRefusal(state, now);
  if (refusal === undefined) return because("D6", "taking the storage over");
  const flap = flapRefusal(state, now);
  if (refusal === flap) return because("D15", refusal, flapLeftMs(state, now));
  const left = takeAfterMs(state, now) - silenceMs(state, now);
  const slow = stretch(state, now) > 1 ? " (longer than usual: this host itself is slow, A8)" : "";
  const timed = refusal.startsWith("the old owner's lease");
  return because(timed || slow === "" ? "D6" : "A8", `not taking over: ${refusal}${slow}`, timed ? left : null);
};

/** What spec part 4 asks of `explain`: would this host take over if the other one died now? */
const readiness: Clause = (state, now) => {
  if (isOwner(state) || !inContact(state, now) || !peerOwns(state)) return undefined;
  const refusal = notEligible(state, now);
  if (refusal === undefined) return undefined;
  const rule = state.syncedEpoch === null ? "D12" : "A2";
  return because(rule, `if the other host died now this one would not take over: ${refusal}`);
};

const granted: Clause = (state, now) => {
  if (!state.suspected || inContact(state, now) || state.fence.confirmed || (isOwner(state) && isSolo(state)))
    return undefined;
  if (!heldByPeer(state)) return undefined;
  return because("A1", `the witness granted the storage to the other host, which is silent: ${CONFIRM_OFF}`);
};

const fencing: Clause = (state, now) => {
  const { policy, timers } = state.config;
  if (policy !== "strict" && policy !== "strict+vote") return undefined;
  if (!state.suspected || inContact(state, now)) return undefined;
  if (state.fence.pending !== null)
    return because("D14", `powering the other host off, attempt ${state.fence.attempts}`);
  if (state.fence.nextAt !== null && state.fence.nextAt > now && state.fence.attempts < 3)
    return because(
      "D14",
      `the fence device failed: ${state.fence.lastFailure ?? ""}; trying again`,
      state.fence.nextAt - now,
    );
  const refusal = fenceForbidden(state, now);
  if (refusal === undefined) return undefined;
  const left = deadAfterMs(state, now) + (isOwner(state) ? 0 : timers.fenceDelay) - episodeMs(state, now);
  return because("D14", `not powering the other host off: ${refusal}`, refusal.startsWith("silent for") ? left : null);
};

const restart: Clause = (state, now) => {
  if (!isOwner(state) || !state.suspected || inContact(state, now) || !isSolo(state)) return undefined;
  if (state.recovery?.phase === "done") return undefined;
  if (state.recovery?.phase === "running") return because("D7", "the other host's VMs are being started here");
  const refusal = restartRefusal(state, now);
  if (refusal === undefined) {
    if (state.repairs["bar-peer"] !== undefined)
      return because("D16", "the other host's initiators are put out of the target before its VMs start here");
    if (valueOf(state.xapi)?.role === "master") return because("D7", "the other host's VMs start here");
    return because(
      "D7",
      `the other host's VMs wait for the pool master: ${promotionRefusal(state, now) ?? "this host becomes it"}`,
    );
  }
  const run = state.votes.runSince === null ? 0 : now - state.votes.runSince;
  const timed = refusal.startsWith("the vote was held");
  return because("D7", `the other host's VMs wait: ${refusal}`, timed ? restartAfterMs(state, now) - run : null);
};

const fenced: Clause = (state, now) => {
  if (state.softFenced || state.activity?.kind === "soft-fence")
    return because("D8", "this host stopped serving and paused its VMs: it may have been replaced; contact ends that");
  if (deaf(state, now)) return because("D9", "the other host is heard and does not hear this one: the vote is void");
  if (state.suspected && state.votes.oneWay)
    return because("A27", "the other host was heard without hearing this one: the vote is void until contact");
  const left = leaseLeftMs(state, now);
  if (!state.suspected || !isOwner(state) || isSolo(state) || left === 0 || state.config.policy === "strict")
    return undefined;
  return because("D8", "without contact or proof this host stops serving when its lease ends", left);
};

const voteLost: Clause = (state, now) => {
  if (!state.suspected || state.votes.latched || inContact(state, now) || state.config.policy === "strict")
    return undefined;
  if (state.votes.oneWay || (isOwner(state) && isSolo(state))) return undefined;
  if (state.config.heuristics.length === 0 && state.config.policy !== "witness")
    return because("A3", "FENCE_HEURISTICS_IPS is empty: there is no vote");
  return now - state.lag.at < 10_000 && state.lag.ms > 2 * state.config.timers.hb
    ? because("D10", `this host stood still for ${Math.round(state.lag.ms)} ms: its vote is lost until contact`)
    : because("D6", "the vote of this outage is lost until contact");
};

const ownership: Clause = (state, now) => {
  if (state.blocked !== null)
    return because(
      state.blocked.startsWith("split brain") ? "D11" : state.blocked.startsWith("fencing") ? "D14" : "D6",
      `blocked: ${state.blocked}; an operator is needed: ${wayOut(state.blocked)}`,
    );
  if (state.claim !== null) return because("D13", "asking the other host whether this one may own the storage");
  if (!inContact(state, now) || state.durable.owner !== null) return undefined;
  if (state.handover !== null || state.activity !== null) return undefined;
  const forbidden = moveForbidden(state);
  return because("D13", `nobody owns the storage: ${forbidden ?? "the hosts are about to choose"}`);
};

const handover: Clause = (state, now) => {
  const { handover: offered, activity } = state;
  if (offered !== null)
    return because(
      "A9",
      "the storage is offered to the other host; without its word it is taken back",
      offered.deadline - now,
    );
  if (activity === null || activity.kind === "soft-fence") return undefined;
  const rule = activity.kind === "stand-down" ? "D11" : activity.token !== null ? "A9" : isOwner(state) ? "D13" : "D6";
  const left = activity.kind === "release" ? state.config.timers.release - (now - activity.startedAt) : null;
  return because(rule, `${activity.kind}, step ${activity.stage + 1}: ${activity.why}`, left);
};

const automatic: Clause = (state, now) => {
  if (state.following && isOwner(state))
    return because("D17", `the storage follows the pool master: ${releaseRefusal(state, now) ?? "now"}`);
  const { managementLostAt, config } = state;
  const cause = releaseCause(state, now);
  if (cause !== undefined) {
    if (state.released.includes(cause)) return because("D18", "the storage was to move to the other host and stayed");
    const refusal = autoReleaseRefusal(state, now);
    if (refusal === undefined) return undefined;
    if (refusal === flapRefusal(state, now)) return because("D15", refusal, flapLeftMs(state, now));
    return because("D18", `the storage should move to the other host and stays: ${refusal}`);
  }
  if (!isOwner(state) || managementLostAt === null) return undefined;
  const left = config.timers.managementGrace - (now - managementLostAt);
  return because("D18", "the management network is gone: the storage moves when it stays gone", left > 0 ? left : null);
};

const isolated: Clause = (state, now) => {
  if (state.isolated?.phase === "asking") return because("A22", "the other host stops its stalled VMs");
  if (state.isolated?.phase === "starting") return because("A22", "VMs that stalled on the other host start here");
  const left = isolationLeftMs(state, now);
  const refusal = isolationRefusal(state, now);
  if (refusal === undefined || !refusal.startsWith("the replication network may")) return undefined;
  return because("A22", "the other host's VMs stall without their disks; they are asked for when that stays so", left);
};

const barred: Clause = (state, now) => {
  if (!state.barred || !inContact(state, now) || !isOwner(state)) return undefined;
  return because(
    "A10",
    "the other host's initiators stay out until its toolstack follows this pool master and none of its VMs runs twice",
  );
};

const CLAUSES: readonly Clause[] = [
  ownership,
  mode,
  stopping,
  leaving,
  joining,
  handover,
  fenced,
  voteLost,
  consent,
  solo,
  takeover,
  granted,
  fencing,
  alone,
  restart,
  automatic,
  isolated,
  barred,
  readiness,
];

/** Everything that holds this host back now, the most important first; empty = all is well. */
export function explain(state: State, now: Instant): readonly Explanation[] {
  return CLAUSES.map((clause) => clause(state, now)).filter((one) => one !== undefined);
}
