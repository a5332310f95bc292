// D14 per host: at most one power-off of a host in flight, each host with its own attempts and back-off, all at once.

import type { Instant } from "../model/time.ts";
import { demands } from "../rules.ts";
import {
  barQuorumOf,
  hasFenceDevice,
  inContact,
  leads,
  lossForbidden,
  provenOff,
  quiet,
  silenceMs,
  watched,
} from "./facts.ts";
import type { Neighbour, PoolState } from "./model.ts";
import { changeHost, effect, log, type PoolTurn } from "./turn.ts";

const MAX_ATTEMPTS = 3;

export function fenceLost(turn: PoolTurn): void {
  if (!leads(turn.state, turn.now)) return;
  for (const [hostId, one] of watched(turn.state)) {
    if (fenceForbidden(turn.state, one, turn.now) !== undefined) continue;
    const pending = effect(turn, { kind: "fence", hostId });
    changeHost(turn, hostId, { fence: { ...one.fence, pending, attempts: one.fence.attempts + 1 } });
    log(turn, "fence.requested", `${hostId}: attempt ${one.fence.attempts + 1} of ${MAX_ATTEMPTS}`, "warn");
  }
}

/** Why that host is not powered off now; undefined = it is. */
export function fenceForbidden(state: PoolState, one: Neighbour, now: Instant): string | undefined {
  const { config } = state;
  const { fence } = one;
  if (!hasFenceDevice(config)) return "this policy has no fence device";
  const forbidden = lossForbidden(state, one, now);
  if (forbidden !== undefined) return forbidden;
  if (!demands(config, "D14", !inContact(state, one, now))) return "it answers";
  if (one.barSince === null) return "it is not missed yet";
  // It may just be starting, or be heard in one direction only: either way it lives.
  if (!quiet(state, one, now)) return "something of it was heard just now";
  const needsQuorum = config.policy !== "strict" || config.quorumRequired;
  if (needsQuorum && !demands(config, "D14", one.quorumAt !== null))
    return `fewer than ${barQuorumOf(config)} of ${config.hosts.length} hosts say that it is silent`;
  const { dead, fenceDelay } = config.timers;
  // Without other hosts' word a broken link of this one looks the same: what it hears a moment later counts.
  if (!needsQuorum && silenceMs(state, one, now) < dead + fenceDelay) return "it may be this host that is cut off";
  if (provenOff(one)) return "it is proven off";
  if (fence.pending !== null) return "a power-off is under way";
  if (fence.attempts >= MAX_ATTEMPTS) return `fencing failed ${fence.attempts} times: ${fence.lastFailure ?? ""}`;
  return fence.nextAt !== null && now < fence.nextAt ? "the next attempt waits" : undefined;
}
