// Why this host of a pool beyond the pair does what it does, and what it waits for: a sentence per rule that holds
// something back now. Pure; `explain` of the tools prints it, behind what the pair says on a storage host.

import type { Explanation } from "../explain.ts";
import type { Instant, Millis } from "../model/time.ts";
import type { RuleId } from "../rules.ts";
import { standRefusal } from "./election.ts";
import {
  barQuorumOf,
  barring,
  deathDoubt,
  elects,
  hasFenceDevice,
  inContact,
  isStorageHost,
  leaderOf,
  leads,
  lossForbidden,
  majorityOf,
  others,
  provesByTime,
  restartRefusal,
  silenceMs,
  watched,
} from "./facts.ts";
import { fenceForbidden } from "./fencing.ts";
import type { Neighbour, PoolState } from "./model.ts";
import { known } from "./recovery.ts";

export type NameOf = (hostId: string) => string;

const because = (rule: RuleId, sentence: string, remainingMs: Millis | null = null): Explanation => ({
  rule,
  sentence,
  remainingMs: remainingMs === null ? null : Math.max(0, Math.round(remainingMs)),
});

/** The most important first; empty: nothing holds this host back. */
export function explainPool(state: PoolState, now: Instant, nameOf: NameOf): readonly Explanation[] {
  return [...ofItself(state, now, nameOf), ...ofTheLead(state, now, nameOf), ...ofOthers(state, now, nameOf)];
}

function leaderAnswers(state: PoolState, now: Instant): Neighbour | undefined {
  const leader = leaderOf(state, now);
  return leader !== undefined && inContact(state, leader, now) ? leader : undefined;
}

function ofItself(state: PoolState, now: Instant, nameOf: NameOf): readonly Explanation[] {
  const { config, durable, departure, leaseFrom } = state;
  if (isStorageHost(config)) return [];
  const found: Explanation[] = [];
  if (state.dead.includes(config.hostId))
    found.push(
      because("D16", "the pool declared this host dead: what still runs here is destroyed, then it comes back"),
    );
  if (state.softFenced)
    found.push(
      because("D8", "this host paused its VMs, which may have been started elsewhere; only a leader's word ends that"),
    );
  if (durable.ha !== "on") found.push(because("D1", `nothing automatic happens: HA is ${durable.ha}`));
  if (durable.flags.maintenance) found.push(because("D1", "nothing automatic happens here: maintenance"));
  if (departure !== null) {
    const rule = departure.intent === "paused" ? "A7" : "A13";
    const what = departure.intent === "paused" ? "this daemon stops" : "this host leaves";
    const waits = departure.agreed ? "the others know" : "it waits until a majority of the pool knows";
    found.push(because(rule, `${what}: ${waits}`));
  }
  const leader = leaderAnswers(state, now);
  const pauses = durable.ha === "on" && provesByTime(config) && config.fenceEnabled && !state.softFenced;
  if (pauses && leader === undefined && !leads(state, now)) {
    const left = leaseFrom === null ? 0 : leaseFrom + config.timers.lease - now;
    found.push(because("D8", "without a leader or a majority behind it this host pauses its VMs", left));
  }
  if (leader?.body?.cfgHash !== undefined && leader.body.cfgHash !== config.cfgHash)
    found.push(because("D1", `this host and ${nameOf(leader.body.hostId)} have different configurations (I-f)`));
  return found;
}

function ofTheLead(state: PoolState, now: Instant, nameOf: NameOf): readonly Explanation[] {
  const { config } = state;
  if (leads(state, now) || leaderAnswers(state, now) !== undefined) return [];
  const near = others(state).filter(([, one]) => inContact(state, one, now)).length + 1;
  const answer = `${near} of ${config.hosts.length} hosts answer`;
  if (!elects(config)) {
    const owners = config.storageHosts.map(nameOf).join(" or ");
    return [because("D17", `nobody leads the pool (${answer}): whoever serves the storage does, ${owners}`)];
  }
  const refusal = standRefusal(state, now);
  if (near < majorityOf(config)) return [because("D6", `nobody leads the pool: ${answer}, a majority is needed`)];
  if (state.standsSince !== null) return [because("D6", `this host asks for the lead of the pool (${answer})`)];
  return [because("D6", `nobody leads the pool (${answer}); this host waits: ${refusal ?? "its turn"}`)];
}

/** What a leader does, or does not, about each host that is silent. */
function ofOthers(state: PoolState, now: Instant, nameOf: NameOf): readonly Explanation[] {
  if (!leads(state, now)) return [];
  return watched(state).flatMap(([hostId, one]) => {
    const isDead = state.dead.includes(hostId);
    if (inContact(state, one, now))
      return isDead
        ? [because("D16", `${nameOf(hostId)} was declared dead: it is one of the pool again without its old VMs`)]
        : [];
    const [rule, text, left] = ofLost(state, hostId, one, now);
    const seconds = Math.round(silenceMs(state, one, now) / 1_000);
    return [because(rule, `${nameOf(hostId)} is silent for ${seconds} s: ${text}`, left)];
  });
}

function ofLost(state: PoolState, hostId: string, one: Neighbour, now: Instant): [RuleId, string, Millis | null] {
  const { config } = state;
  const { dead, take } = config.timers;
  if (one.recovery?.phase === "done") return ["D7", "its VMs were started elsewhere", null];
  if (one.recovery?.phase === "running") return ["D7", "its VMs are being started elsewhere", null];
  const forbidden = lossForbidden(state, one, now);
  if (forbidden !== undefined) return ["D1", `nothing is done about it: ${forbidden}`, null];
  if (one.body === null && !one.fence.confirmed)
    return ["A19", "it was never heard: 'iscsi-cfg confirm-peer-off' says that it is off", null];
  if (one.barSince === null) return ["D7", "it may answer yet", dead - silenceMs(state, one, now)];
  if (one.fence.pending !== null) return ["D14", `powering it off, attempt ${one.fence.attempts}`, null];
  if (hasFenceDevice(config) && deathDoubt(state, one, now) !== undefined) {
    const refusal = fenceForbidden(state, one, now);
    if (refusal !== undefined) {
      const wait = one.fence.nextAt !== null && one.fence.nextAt > now ? one.fence.nextAt - now : null;
      return ["D14", `it is not powered off: ${refusal}`, wait];
    }
  }
  if (one.quorumAt === null && provesByTime(config)) {
    const have = barring(state, hostId);
    return ["D7", `${have} of ${barQuorumOf(config)} hosts that are needed say that it is silent`, null];
  }
  const refusal = restartRefusal(state, hostId, now);
  if (refusal !== undefined) {
    const left = one.quorumAt === null ? null : one.quorumAt + take - now;
    return ["D7", `its VMs wait: ${refusal}`, left !== null && left > 0 ? left : null];
  }
  if (!known(state, hostId)) return ["D16", "its VMs wait until enough hosts know of its death", null];
  return ["D7", "its VMs start elsewhere", null];
}
