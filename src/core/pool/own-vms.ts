// May this host start VMs that ought to run and do not (spec part 6), in a pool beyond the pair? A lost host's VMs are
// the business of recovery.

import type { Instant } from "../model/time.ts";
import { demands } from "../rules.ts";
import { inContact, leaderOf, leads, others } from "./facts.ts";
import type { PoolState } from "./model.ts";

/** Why not; undefined = it may. The leader may, and whoever it counts among the living (SLAVE_VM_STAT is asked elsewhere). */
export function ownVmsRefusal(state: PoolState, now: Instant): string | undefined {
  const { durable, config } = state;
  if (!demands(config, "D1", durable.ha === "on")) return `HA is ${durable.ha} on this host`;
  if (durable.flags.maintenance) return "this host is in maintenance";
  if (state.softFenced) return "this host has fenced itself (D8)";
  if (state.dead.includes(config.hostId)) return "the pool declared this host dead (D16)";
  if (state.departure !== null) return "this host or its daemon is about to stop";
  const recovering = others(state).some(([, one]) => one.recovery?.phase === "running");
  if (recovering || state.promotion?.phase === "running") return "the VMs of a lost host are being started";
  if (leads(state, now)) return undefined;
  const leader = leaderOf(state, now);
  if (leader?.body === null || leader === undefined || !inContact(state, leader, now))
    return "the host that leads the pool does not answer";
  return leader.body.supports ? undefined : "the host that leads the pool does not count this one among the living";
}
