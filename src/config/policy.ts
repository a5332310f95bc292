// Which proof a takeover needs (protocol.md 1), said in one sentence, and what keeps HA from being enabled. Pure.

import type { Policy } from "../core/model/config.ts";
import { assertNever } from "../util/assert.ts";
import type { Config } from "./config.ts";
import { describeProblem } from "./problem.ts";
import { checkTimers, DEFAULT_FACTS, type TimerFacts } from "./timers.ts";

export interface PolicyInput {
  readonly witnesses: number;
  readonly fenceMethod: string;
  readonly fenceOnFail: boolean;
}

export function derivePolicy(input: PolicyInput): Policy {
  if (input.witnesses > 0) return "witness";
  if (input.fenceMethod === "POOL") return "vote";
  return input.fenceOnFail ? "strict+vote" : "strict";
}

/** Seed 000, "auto-start without host HA": each host starts its own VMs, nobody acts on the loss of the other one. */
const NO_HOST_HA =
  "FENCE_ENABLED=0: VMs start at boot and after a failure; a lost host is left alone, and nothing is taken over.";

/** Protocol 14: in a pool without storage of ours the hosts themselves vote. */
const BY_MAJORITY =
  "a majority of the hosts decides, which is exclusive: a host that is cut off stops its VMs before they start elsewhere.";

/** For status, log and dashboard. `byMajority`: the pool elects its leader. */
export function policyNote(policy: Policy, fenceEnabled = true, byMajority = false): string {
  if (!fenceEnabled) return NO_HOST_HA;
  if (byMajority && policy !== "strict") return BY_MAJORITY;
  switch (policy) {
    case "strict":
      return "STRICT: a takeover needs the other host's power-off, verified.";
    case "witness":
      return "WITNESS: a takeover needs the witness, whose grant is exclusive.";
    case "vote":
      return "VOTE is not fencing: it trusts that a host which reaches the heuristic addresses also reaches its peer.";
    case "strict+vote":
      return "STRICT+VOTE is not fencing when the fence device fails: it then falls back to the vote.";
    default:
      return assertNever(policy);
  }
}

/** Three hosts or more, and no storage of ours. */
const electsLeader = ({ pool }: Pick<Config, "pool">): boolean => pool !== null && pool.storageHosts.length === 0;

/** The vote can never pass (A3). */
const isVoteImpossible = (config: Config): boolean => config.core.heuristics.length === 0;

/** A3, D14: a proof that the policy asks for and this configuration can never give. */
function proofRefusals(config: Config): readonly string[] {
  const { policy, quorumRequired } = config.core;
  const refusals: string[] = [];
  if (policy === "vote" && isVoteImpossible(config)) {
    refusals.push(
      "FENCE_METHOD=POOL without a witness needs heuristic addresses that answer: set FENCE_HEURISTICS_IPS (and FENCE_USE_IP_HEURISTICS=1), WITNESS, or a fence device (A3)",
    );
  }
  if (policy === "strict" && quorumRequired && isVoteImpossible(config)) {
    refusals.push(
      "fencing needs the vote, and an empty heuristic list is a failed vote: set FENCE_HEURISTICS_IPS or FENCE_QUORUM_REQUIRED=0 (A3, D14)",
    );
  }
  if (policy === "strict+vote" && isVoteImpossible(config)) {
    refusals.push(
      "fencing and its fall-back both need the vote, and an empty heuristic list is a failed vote: set FENCE_HEURISTICS_IPS, or FENCE_HA_ONFAIL=0 with FENCE_QUORUM_REQUIRED=0 (A3)",
    );
  }
  if (config.timerProfile === "fast" && (policy === "vote" || policy === "strict+vote")) {
    refusals.push(
      "TIMER_PROFILE=fast needs a proof that is not the vote: set a fence device with FENCE_HA_ONFAIL=0, WITNESS, or TIMER_PROFILE=balanced",
    );
  }
  return refusals;
}

/**
 * Every reason why `enable` must refuse this configuration; empty: none. `facts` are what was measured or read from
 * DRBD's configuration; without them the expected values are assumed and I-h is not judged.
 */
export function enableRefusals(config: Config, facts: Partial<TimerFacts> = {}): string[] {
  const { timers } = config.core;
  const refusals = config.problems.filter((one) => one.severity === "error").map(describeProblem);
  // FENCE_ENABLED=0: no proof is ever asked for. Where the hosts elect, a majority of them is the vote.
  if (config.core.fenceEnabled && !electsLeader(config)) refusals.push(...proofRefusals(config));
  if (config.watchdogDevice === null) {
    refusals.push("HA needs a watchdog: set WATCHDOG_DEVICE in the storage section of tandem.yaml (A6)");
  }
  return [...refusals, ...checkTimers(timers, { ...DEFAULT_FACTS, ...facts }).map((one) => one.message)];
}

/** What an administrator should know although HA may be enabled. */
export function policyWarnings(config: Config): string[] {
  const { core, fence } = config;
  if (!fence.enabled) return [policyNote(core.policy, false)];
  const warnings: string[] = [];
  const pings = (core.policy === "vote" || core.policy === "strict+vote") && !electsLeader(config);
  if (pings) warnings.push(policyNote(core.policy));
  if (core.hosts < core.minHosts)
    warnings.push(`takeover is disarmed: found ${core.hosts} hosts, FENCE_MIN_HOSTS is ${core.minHosts}`);
  if (fence.onFail && fence.method !== "POOL")
    warnings.push("FENCE_HA_ONFAIL=1 is dangerous: VMs are started although fencing failed");
  return warnings;
}
