// Who is told what, and when. Members report to those who may lead, and these answer: a report and its answer per member
// and period, whatever the size of the pool. Everybody asks everybody only while no leader answers.

import { valueOf } from "../model/observation.ts";
import type { Instant } from "../model/time.ts";
import {
  authorityMs,
  elects,
  inContact,
  informed,
  leaderOf,
  leads,
  mayLead,
  others,
  reportMs,
  standsStill,
  supports,
} from "./facts.ts";
import { candidates } from "./election.ts";
import type { MemberBeat, PoolState } from "./model.ts";
import { change, type PoolTurn } from "./turn.ts";

export function sendBeats(turn: PoolTurn): void {
  const { state, now } = turn;
  const everybody = others(state).map(([hostId]) => hostId);
  if (state.urgent) {
    change(turn, { urgent: false, beatAt: now });
    return ask(turn, everybody);
  }
  if (state.beatAt !== null && now - state.beatAt < reportMs(state.config)) return;
  change(turn, { beatAt: now });
  ask(turn, targets(state, now, everybody));
}

function targets(state: PoolState, now: Instant, everybody: readonly string[]): readonly string[] {
  const { config } = state;
  const tells = state.maintaining !== null || (state.departure !== null && !state.departure.agreed);
  if (state.standsSince !== null || tells) return everybody;
  const strangers = everybody.filter((id) => {
    const one = state.neighbours[id];
    return one !== undefined && !inContact(state, one, now);
  });
  if (leads(state, now)) return strangers;
  const leader = leaderOf(state, now);
  if (leader?.body === null || leader === undefined || !inContact(state, leader, now)) return everybody;
  const { hostId, successor } = leader.body;
  const seconds = elects(config) ? (successor === null ? [] : [successor]) : config.storageHosts;
  // Who is reported to besides the leader asks as well: a host that has started anew is heard only when it was asked, because
  // its first packets prove nothing (drivers/peer/session).
  const asks = seconds.includes(config.hostId) ? strangers : [];
  return [...new Set([hostId, ...seconds, ...asks])].filter((id) => id !== config.hostId);
}

function ask(turn: PoolTurn, hosts: readonly string[]): void {
  for (const to of hosts) turn.actions.push({ kind: "beat", to, asks: true });
}

/** What this host says to `to` now. */
export function beatFor(state: PoolState, to: string, asks: boolean, now: Instant): MemberBeat {
  const { config, durable, bootId, incarnation } = state;
  const authority = authorityMs(state, now);
  const leading = authority !== null && state.leadsSince !== null;
  const stands = state.standsSince !== null && durable.owner === config.hostId;
  const xapi = valueOf(state.xapi);
  return {
    hostId: config.hostId,
    bootId,
    incarnation,
    asks,
    epoch: durable.epoch,
    leader: leading || stands ? config.hostId : durable.owner,
    authorityMs: leading ? authority : null,
    informed: leading && informed(state),
    supports: supports(state, to),
    ha: durable.ha,
    maintenance: durable.flags.maintenance,
    intent: state.departure?.intent ?? "none",
    cfgHash: config.cfgHash,
    watchdogArmed: state.watchdogArmed,
    fenced: state.softFenced && standsStill(state),
    mayLead: mayLead(state),
    barred: state.bars,
    dead: state.dead,
    successor: leading && elects(config) ? (candidates(state, now)[0] ?? null) : null,
    domains: valueOf(state.domains)?.map(({ uuid }) => uuid) ?? null,
    xapi: xapi?.role ?? "unknown",
    masterId: xapi?.masterId ?? null,
  };
}
