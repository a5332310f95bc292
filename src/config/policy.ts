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

/** For status, log and dashboard. */
export function policyNote(policy: Policy): string {
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

/** The vote can never pass (A3). */
const isVoteImpossible = (config: Config): boolean => config.core.heuristics.length === 0;

/**
 * Every reason why `enable` must refuse this configuration; empty: none. `facts` are what was measured or read from
 * DRBD's configuration; without them the expected values are assumed and I-h is not judged.
 */
export function enableRefusals(config: Config, facts: Partial<TimerFacts> = {}): string[] {
  const { policy, timers, quorumRequired } = config.core;
  const refusals = config.problems.filter((one) => one.severity === "error").map(describeProblem);
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
  if (config.watchdogDevice === null) {
    refusals.push("HA needs a watchdog: set WATCHDOG_DEVICE in the storage section of tandem.yaml (A6)");
  }
  return [...refusals, ...checkTimers(timers, { ...DEFAULT_FACTS, ...facts }).map((one) => one.message)];
}

/** What an administrator should know although HA may be enabled. */
export function policyWarnings(config: Config): string[] {
  const { core, fence } = config;
  const warnings: string[] = [];
  if (core.policy === "vote" || core.policy === "strict+vote") warnings.push(policyNote(core.policy));
  if (!fence.enabled) warnings.push("FENCE_ENABLED=0: nothing is taken over after a host failure");
  if (core.hosts < core.minHosts)
    warnings.push(`takeover is disarmed: found ${core.hosts} hosts, FENCE_MIN_HOSTS is ${core.minHosts}`);
  if (fence.onFail && fence.method !== "POOL")
    warnings.push("FENCE_HA_ONFAIL=1 is dangerous: VMs are started although fencing failed");
  return warnings;
}
