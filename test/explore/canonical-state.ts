// The representative of a daemon's memory: field by field, what of it `step` can still tell apart.

import { SPLIT_DATA } from "../../src/core/decide/ownership.ts";
import { inContact } from "../../src/core/facts.ts";
import type { Observation } from "../../src/core/model/observation.ts";
import type { HeartbeatBody } from "../../src/core/model/peer.ts";
import { WITNESS_REPORT_MS } from "../../src/core/witness.ts";
import type { Activity, State } from "../../src/core/model/state.ts";
import {
  type Frame,
  HORIZON_MS,
  isTrue,
  NOBODY,
  shared,
  shiftBody,
  shiftRecord,
  shiftRequest,
  shiftToken,
} from "./frame.ts";

/** A longer stall counts as this one; the watchdog of a host that has one ends it sooner (WATCHDOG_TICKS). */
const LONGEST_LAG_MS = 5_000;
/** The core's own constants: how long a lag is remembered (A8), a resume waits, a handler may outlive its cause. */
const LAG_MEMORY_MS = 10_000;
const RESUME_MS = 3_000;
const OUTLIVED_MS = 2_000;
const COMMAND_MS = 21_000;
const PAUSE_MS = 31_000;
const REPAIR_BACKOFF_MS = 60_000;
const LAST_REPAIR_FAILURE = 6;

/** Reasons are for people; that there is one is a fact. */
const text = (reason: string | null): string | null => (reason === null ? null : "failed");

function activityOf(activity: Activity, f: Frame): Activity {
  const { record } = activity;
  return {
    ...activity,
    // Told to people, but for its first word.
    why: activity.why.startsWith("takeover") ? "takeover" : "",
    failed: text(activity.failed),
    pending: activity.pending.map((id) => f.id(id)),
    // Only a release has a deadline.
    startedAt: activity.kind === "release" ? f.past(activity.startedAt) : 0,
    token: activity.token === null ? null : shiftToken(activity.token, (e) => f.epoch(e)),
    record:
      record === null || record.epoch === undefined
        ? record
        : {
            ...record,
            epoch: f.epoch(record.epoch),
            ...(record.solo === undefined ? {} : { solo: isTrue(record.solo) }),
          },
  };
}

/** A finished try is remembered by its end only; the id of a running one is needed. */
function tried(t: State["recovery"], f: Frame): State["recovery"] {
  if (t === null) return null;
  return { ...t, id: t.phase === "running" ? f.id(t.id) : 0, at: t.phase === "failed" ? f.past(t.at) : 0 };
}

function observed<T>(o: Observation<T>): Observation<T> {
  if (o.kind === "known") return o.at === 0 ? o : { ...o, at: 0 };
  return o.since === 0 ? o : { ...o, since: 0 };
}

const NO_RESOURCES: HeartbeatBody["resources"] = {};
/** Each link by itself is told to people only. */
const NO_LINK: State["peer"]["linkHeardAt"] = { management: null, replication: null };
const NO_LAG: State["lag"] = { ms: 0, at: -HORIZON_MS };
const NO_ALARMS: State["alarms"] = [];

/**
 * What is left of a heartbeat when contact is over: the rest is asked only in contact, and contact begins with a new one.
 */
function staleBody(body: HeartbeatBody): HeartbeatBody {
  return shared(
    { ...body, serving: false, busy: false, joined: false, resources: NO_RESOURCES, xapi: "unknown" },
    body,
  );
}

/** In contact, and for a switch that an operator ordered in contact. */
export const bodyMatters = (s: State, now: number): boolean =>
  inContact(s, now) || s.commands.some(({ kind }) => kind === "switch");

/** The word of a host that leaves lasts for T_leave (A13). */
export const heardHorizonMs = ({ peer, config }: State): number =>
  peer.body?.intent === "leaving" ? config.timers.leave : config.timers.suspect;

function peerOf(s: State, f: Frame): State["peer"] {
  const { peer, config } = s;
  const { timers } = config;
  const kept = {
    contactAt: f.pastOrNull(peer.contactAt),
    // A new contact has a beginning of its own.
    contactSince:
      peer.contactSince === null || (inContact(s, f.now) && contactIsYounger(s))
        ? f.pastOrNull(peer.contactSince)
        : -HORIZON_MS,
    heardAt: f.pastOrNull(peer.heardAt, heardHorizonMs(s)),
    linkHeardAt: NO_LINK,
    linkContactAt: NO_LINK,
    body:
      peer.body === null
        ? null
        : shiftBody(bodyMatters(s, f.now) ? peer.body : staleBody(peer.body), (e) => f.epoch(e)),
    signAt: f.pastOrNull(peer.signAt, timers.quiet),
  };
  return shared(kept, peer);
}

function votesOf(s: State, f: Frame): State["votes"] {
  const { votes, config } = s;
  const { timers, policy } = config;
  const byRun = policy === "vote" || policy === "strict+vote";
  const kept = {
    latched: votes.latched,
    // How long the run is matters to D7 only, and not where a proof is demanded.
    runSince: votes.runSince === null ? null : byRun ? f.past(votes.runSince) : 0,
    lastPassedAt: votes.lastOk === true ? f.pastOrNull(votes.lastPassedAt, 4 * timers.sample) : null,
    lastOk: votes.lastOk,
    pending: votes.pending === null ? null : { id: f.id(votes.pending.id), sentAt: f.past(votes.pending.sentAt) },
    nextAt: f.notBefore(votes.nextAt),
    oneWay: votes.oneWay,
  };
  return shared(kept, votes);
}

/** Of an answer only who holds the grant is asked later; the stamps are kept apart from it. */
function witnessOf({ witness }: State, f: Frame): State["witness"] {
  const { answers, askedAt, stamps, pending, asked, grantedAt } = witness;
  return {
    answers: answers.map((a) =>
      a === null ? null : { granted: false, holder: a.holder, epoch: 0, stamp: 0, refusal: null },
    ),
    // Asked for when HA is switched on, which no move does.
    askedAt: askedAt === null ? null : 0,
    stamps,
    pending: pending === null ? null : { ...pending, id: f.id(pending.id), sentAt: f.past(pending.sentAt) },
    asked: {
      query: f.pastOrNull(asked.query, WITNESS_REPORT_MS),
      grant: f.pastOrNull(asked.grant, WITNESS_REPORT_MS),
      release: f.pastOrNull(asked.release, WITNESS_REPORT_MS),
    },
    // For people.
    refusal: null,
    grantedAt: f.pastOrNull(grantedAt),
  };
}

function probesOf(s: State, f: Frame): State["probes"] {
  const { probes, config } = s;
  const { pending, silentAt } = probes;
  const heard = silentAt === null || f.now - silentAt >= 2 * config.timers.quiet;
  const kept = {
    pending: pending === null ? null : f.id(pending),
    nextAt: f.notBefore(probes.nextAt),
    silentAt: heard ? null : f.past(silentAt),
    askedAt: pending === null ? null : f.pastOrNull(probes.askedAt),
    conflictMac: probes.conflictMac,
  };
  return shared(kept, probes);
}

/** An older lag than the core remembers, or one too small to stretch a wait, is none. */
function lagOf({ lag, config }: State, f: Frame): State["lag"] {
  const forgotten = f.now - lag.at > LAG_MEMORY_MS || lag.ms < config.timers.lag;
  return forgotten ? NO_LAG : shared({ ms: Math.min(lag.ms, LONGEST_LAG_MS), at: f.past(lag.at) }, lag);
}

/** The contact that is on is younger than DRBD's last connection: A22 counts from there, else from the connection. */
const contactIsYounger = ({ peer, drbdConnectedAt }: State): boolean =>
  peer.contactSince !== null && peer.contactSince > (drbdConnectedAt ?? -Infinity);

/** DRBD's last connection matters if it is later than contact, for a short while for a resume, and in contact for A22. */
function connectedAt(s: State, f: Frame): number | null {
  const { drbdConnectedAt: at } = s;
  if (at === null) return null;
  const covered = at <= (s.peer.contactAt ?? s.startedAt) && f.now - at >= RESUME_MS;
  const counts = inContact(s, f.now) && !contactIsYounger(s);
  return covered && !counts ? -HORIZON_MS : f.past(at);
}

type Repair = State["repairs"][string];
function repairOf(r: Repair, f: Frame): Repair {
  const failures = Math.min(r.failures, LAST_REPAIR_FAILURE);
  const backoffMs = Math.max(OUTLIVED_MS, Math.min(REPAIR_BACKOFF_MS, 1_000 * 2 ** failures));
  return { id: f.id(r.id), at: r.id === -1 ? f.past(r.at, backoffMs) : 0, failures };
}

function stoppingOf({ stopping, config }: State, f: Frame): State["stopping"] {
  if (stopping === null) return null;
  const { askedAt } = stopping;
  return {
    ...stopping,
    since: f.past(stopping.since, PAUSE_MS),
    ...(askedAt === undefined ? {} : { askedAt: f.past(askedAt, config.timers.hb) }),
  };
}

/** A request is asked again while its work hangs: of answers that nobody waits for one of a kind is enough. */
function owedOf({ owed }: State, f: Frame): State["owed"] {
  const seen = new Set<string>();
  return owed
    .map((o) => ({ ...o, failed: text(o.failed), waitingFor: o.waitingFor.map((id) => f.id(id)) }))
    .filter((o) => {
      if (o.requestId !== NOBODY) return true;
      const key = JSON.stringify(o);
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
}

/** Without A8 a lag stretches the lease. */
export const leaseHorizonMs = ({ config }: State): number =>
  config.timers.lease * (config.removedRules.includes("A8") ? 3 : 1);

/** The reason is for people, but for the two kinds of split brain. */
function blockedOf(blocked: string | null): string | null {
  if (blocked === null) return null;
  return [SPLIT_DATA, "split brain"].find((kind) => blocked.startsWith(kind)) ?? "blocked";
}

export function stateOf(s: State, f: Frame): State {
  const { fence, persisting, solo, handover, claim } = s;
  const { timers } = s.config;
  const epoch = (e: number): number => f.epoch(e);
  return {
    config: s.config,
    bootId: s.bootId,
    incarnation: s.incarnation,
    startedAt: f.past(s.startedAt, s.peer.contactAt === null ? HORIZON_MS : LONGEST_LAG_MS),
    lastTick: f.past(s.lastTick, LONGEST_LAG_MS),
    lag: lagOf(s, f),
    nextId: f.ids.size + 1,
    durable: f.keeps(s.durable) ? s.durable : shiftRecord(s.durable, epoch),
    persisting:
      persisting === null || f.keeps(persisting)
        ? persisting
        : { id: f.id(persisting.id), record: shiftRecord(persisting.record, epoch), purpose: "" },
    peer: peerOf(s, f),
    leaseFrom: f.pastOrNull(s.leaseFrom, leaseHorizonMs(s)),
    drbdConnectedAt: connectedAt(s, f),
    suspected: s.suspected,
    dead: s.dead,
    votes: f.keeps(s.votes) ? s.votes : votesOf(s, f),
    probes: f.keeps(s.probes) ? s.probes : probesOf(s, f),
    fence: f.keeps(fence)
      ? fence
      : shared(
          {
            ...fence,
            lastFailure: text(fence.lastFailure),
            pending: fence.pending === null ? null : f.id(fence.pending),
            nextAt: f.notBefore(fence.nextAt),
            verifiedAt: fence.verifiedAt === null ? null : 0,
          },
          fence,
        ),
    // They only raise alarms.
    suspendedSince: f.alarms ? f.pastOrNull(s.suspendedSince) : null,
    apartSince: null,
    alarms: f.alarms ? s.alarms : NO_ALARMS,
    drbd: observed(s.drbd),
    target: observed(s.target),
    vip: observed(s.vip),
    domains: observed(s.domains),
    unprotected: s.unprotected,
    xapi: observed(s.xapi),
    management: s.management,
    unsure: s.unsure === null ? null : epoch(s.unsure),
    persistAfter: f.notBefore(s.persistAfter) ?? 0,
    portalCleared: s.portalCleared,
    witness: f.keeps(s.witness) ? s.witness : witnessOf(s, f),
    yieldsUntil: s.yieldsUntil === null ? null : Math.max(0, s.yieldsUntil - f.now),
    managementLostAt: f.pastOrNull(s.managementLostAt, timers.managementGrace),
    toolstackLost: s.toolstackLost,
    stopping: stoppingOf(s, f),
    following: s.following,
    released: s.released,
    isolated:
      s.isolated === null
        ? null
        : {
            ...s.isolated,
            id: f.id(s.isolated.id),
            at: s.isolated.phase === "failed" || s.isolated.phase === "done" ? f.past(s.isolated.at) : 0,
          },
    watchdogArmed: s.watchdogArmed,
    handlers: f.keeps(s.handlers) ? s.handlers : s.handlers.map((h) => ({ ...h, since: f.past(h.since, OUTLIVED_MS) })),
    syncedEpoch: s.syncedEpoch === null ? null : f.epoch(s.syncedEpoch),
    solo: solo === null ? null : { ...solo, pending: f.id(solo.pending) },
    activity: s.activity === null || f.keeps(s.activity) ? s.activity : activityOf(s.activity, f),
    handover:
      handover === null || f.keeps(handover)
        ? handover
        : {
            ...handover,
            token: shiftToken(handover.token, epoch),
            epoch: f.epoch(handover.epoch),
            deadline: f.notBefore(handover.deadline) ?? 0,
            pending: handover.pending === null ? null : f.id(handover.pending),
          },
    claim: claim === null ? null : { ...claim, id: f.id(claim.id), epoch: f.epoch(claim.epoch) },
    softFenced: s.softFenced,
    selfFencing: s.selfFencing === null ? null : { at: f.past(s.selfFencing.at, 500), tries: 1, told: "" },
    consentAfter: f.notBefore(s.consentAfter) ?? 0,
    // Ticks are further apart than tokens.
    tokenAt: null,
    retryAt: f.notBefore(s.retryAt) ?? 0,
    barred: s.barred,
    blocked: blockedOf(s.blocked),
    commands: f.keeps(s.commands)
      ? s.commands
      : s.commands.map((c) => ({
          id: c.id,
          kind: c.kind,
          phase: c.phase,
          startedAt: f.past(c.startedAt, COMMAND_MS),
          pending: c.pending === null ? null : f.id(c.pending),
        })),
    owed: f.keeps(s.owed) ? s.owed : owedOf(s, f),
    deferred: f.keeps(s.deferred)
      ? s.deferred
      : s.deferred.map((d) => ({ ...d, request: shiftRequest(d.request, epoch) })),
    repairs: f.keeps(s.repairs)
      ? s.repairs
      : Object.fromEntries(Object.entries(s.repairs).map(([name, r]) => [name, repairOf(r, f)])),
    recovery: tried(s.recovery, f),
    promotion: tried(s.promotion, f),
    designate: s.designate,
    // No hour passes in a search: a move that is older than T_flap stays in D15's window.
    moves: f.keeps(s.moves) ? s.moves : s.moves.map((at) => f.past(at, timers.flap)),
    lastMasterId: s.lastMasterId,
    targetDeaths: f.keeps(s.targetDeaths) ? s.targetDeaths : s.targetDeaths.map((at) => f.past(at)),
  };
}
