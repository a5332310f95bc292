// Takes one event into the state: what was seen or what ended. Decides nothing.

import { assertNever } from "../../util/assert.ts";
import { drbdConnected, inContact, silenceMs } from "../facts.ts";
import type { CoreConfig } from "../model/config.ts";
import type { DurableRecord } from "../model/durable.ts";
import type { Event } from "../model/event.ts";
import { valueOf } from "../model/observation.ts";
import type { HeardHeartbeat } from "../model/peer.ts";
import { freshFence, freshProbes, freshVotes, freshWitness, type State, type WitnessState } from "../model/state.ts";
import { change, log, type Turn } from "../turn.ts";
import { acceptCommand } from "../decide/commands.ts";
import { acceptRequest } from "../decide/requests.ts";
import { READMIT } from "../decide/recovery.ts";
import { FOLLOW } from "../decide/repair.ts";
import { inForce } from "../rules.ts";
import { stillAgreed } from "./agreed-pause.ts";
import { absorbOwed } from "./owed.ts";
import { failVote } from "./vote.ts";
import { absorbWitness } from "./witness.ts";

/** As if so many tries had failed: half a minute before the other toolstack is told again to follow. */
const FOLLOW_REST = 5;

/** Short against the time between T_dead and the end of a lease: D4 stands on such a write. */
const WRITE_AGAIN_MS = 250;

/** Pause before the peer is asked again for its consent (D3) after it refused. */
const CONSENT_RETRY_MS = 250;

export function absorb(turn: Turn, event: Event): void {
  noteStall(turn);
  switch (event.kind) {
    case "tick":
      return absorbTick(turn);
    case "heartbeat":
      return absorbHeartbeat(turn, event.heard);
    case "drbd": {
      const before = drbdConnected(turn.state);
      change(turn, { drbd: event.views });
      const after = drbdConnected(turn.state);
      // Connected up to this moment is evidence; connected from this moment on too.
      if (before || after) noteDrbdEvidence(turn);
      return;
    }
    case "target":
      return absorbTarget(turn, event.target);
    case "target-died":
      log(turn, "target.died", event.detail, "warn");
      return change(turn, {
        target: { kind: "known", value: { running: false, filled: false, portalOpen: false }, at: turn.now },
        targetDeaths: [...turn.state.targetDeaths.filter((at) => turn.now - at < 300_000), turn.now],
      });
    case "vip":
      return change(turn, { vip: event.vip });
    case "domains":
      return absorbDomains(turn, event.domains);
    case "protection":
      return change(turn, { unprotected: event.unprotected });
    case "xapi":
      return change(turn, { xapi: event.xapi });
    case "management":
      return change(turn, {
        management: event.up,
        managementLostAt: event.up ? null : (turn.state.managementLostAt ?? turn.now),
      });
    case "toolstack":
      return change(turn, { toolstackLost: event.beyondRepair });
    case "watchdog":
      return change(turn, { watchdogArmed: event.armed });
    case "handler":
      if (turn.state.handlers.some((h) => h.handler === event.handler)) return;
      log(turn, "handler.waiting", `DRBD waits for an answer about ${event.resource}: its I/O is suspended`, "warn");
      return change(turn, {
        handlers: [...turn.state.handlers, { handler: event.handler, resource: event.resource, since: turn.now }],
      });
    case "handler-gone":
      return change(turn, { handlers: turn.state.handlers.filter((h) => h.handler !== event.handler) });
    case "sample":
      return absorbSample(turn, event.id, event.passed);
    case "witness":
      return absorbWitness(turn, event.id, event.answers);
    case "probe":
      return absorbProbe(turn, event);
    case "result":
      return absorbResult(turn, event.id, event.ok, event.detail);
    case "reply":
      return absorbReply(turn, event.id, event.reply);
    case "request":
      return acceptRequest(turn, event.id, event.request);
    case "command":
      return acceptCommand(turn, event.id, event.command);
    case "config":
      // Another policy or other witnesses: what the old ones said is no word of the new ones.
      if (witnessesOf(event.config) !== witnessesOf(turn.state.config)) change(turn, { witness: freshWitness });
      log(turn, "config.changed", `configuration ${event.config.cfgHash.slice(0, 12)} is in force`);
      return change(turn, { config: event.config });
    default:
      return assertNever(event);
  }
}

/**
 * D10, A28: samples that were due while this host stood still count as failed, those of an outage that began meanwhile
 * too; and the first event after the stall need not be a tick.
 */
function noteStall(turn: Turn): void {
  const { state, now } = turn;
  const { hb, suspect } = state.config.timers;
  if (now - state.lastTick <= 2 * hb || !inForce(state.config, "D10")) return;
  if (state.suspected || silenceMs(state, now) >= suspect) failVote(turn, "samples were skipped by a stall");
}

const witnessesOf = ({ policy, witnesses }: CoreConfig): string => `${policy} ${witnesses.join(" ")}`;

/** D10, D16: a bar outlives the daemon that put it up; the first look at the target finds it. */
function absorbTarget(turn: Turn, target: State["target"]): void {
  const first = turn.state.target.kind === "unknown" && valueOf(target)?.peerBarred === true;
  change(turn, { target, barred: turn.state.barred || first });
}

/** D10: a soft fence outlives the daemon too: domains that all stand still are what it leaves behind. */
function absorbDomains(turn: Turn, domains: State["domains"]): void {
  const seen = valueOf(domains) ?? [];
  const fenced = turn.state.domains.kind === "unknown" && seen.length > 0 && seen.every((d) => d.paused);
  change(turn, { domains, softFenced: turn.state.softFenced || fenced });
}

function absorbTick(turn: Turn): void {
  const { state, now } = turn;
  const gap = now - state.lastTick;
  const { hb } = state.config.timers;
  change(turn, { lastTick: now });
  if (gap > 2 * hb) {
    const worse = gap >= state.lag.ms || now - state.lag.at > 10_000;
    if (worse) change(turn, { lag: { ms: gap, at: now } });
  }
  if (drbdConnected(turn.state)) noteDrbdEvidence(turn);
}

function noteDrbdEvidence(turn: Turn): void {
  const { state, now } = turn;
  const evidence = now - state.config.timers.drbd;
  change(turn, {
    drbdConnectedAt: now,
    leaseFrom: state.leaseFrom === null ? evidence : Math.max(state.leaseFrom, evidence),
    peer: { ...state.peer, signAt: now },
    witness: spent(state.witness),
  });
}

function absorbHeartbeat(turn: Turn, heard: HeardHeartbeat): void {
  const { state, now } = turn;
  const { config, peer } = state;
  const fresh = (echoSentAt: number | null): boolean => echoSentAt !== null && now - echoSentAt <= config.timers.echo;
  const contact = fresh(heard.echoSentAt);
  const known = peer.body;
  const stale = known !== null && known.bootId === heard.body.bootId && heard.body.incarnation < known.incarnation;
  if (stale) return;
  // This host's initiators learn at once that the portal is open elsewhere, and meet no silence here any more.
  if (heard.body.serving && known?.serving !== true) turn.actions.push({ kind: "kick-initiators" });
  const wasInContact = inContact(state, now);
  // D2: with the rule taken out, an outage that began goes on although the other host answers again.
  const ends = contact && (!state.suspected || inForce(config, "D2"));
  const echoed = ends ? heard.echoSentAt : null;
  change(turn, {
    leaseFrom: echoed === null ? state.leaseFrom : Math.max(state.leaseFrom ?? -Infinity, echoed),
    peer: {
      contactAt: ends ? now : peer.contactAt,
      contactSince: ends && !wasInContact ? now : peer.contactSince,
      heardAt: now,
      linkHeardAt: { ...peer.linkHeardAt, [heard.link]: now },
      linkContactAt: fresh(heard.linkEchoSentAt) ? { ...peer.linkContactAt, [heard.link]: now } : peer.linkContactAt,
      body: stillAgreed(config, known, heard.body),
      signAt: now,
    },
  });
  if (!contact) return noteOneWay(turn);
  if (!ends) return;
  if (!wasInContact) beginContact(turn);
  else if (!state.votes.latched) change(turn, { votes: freshVotes });
}

/** A27: one heartbeat that does not echo mine voids the vote until contact: the other host may act as if I were dead. */
function noteOneWay(turn: Turn): void {
  const { config, peer } = turn.state;
  if (peer.contactAt === null || !inForce(config, "D9") || !inForce(config, "A27")) return;
  failVote(turn, "the other host is heard, and does not hear this one (D9)");
  change(turn, { votes: { ...turn.state.votes, oneWay: true } });
}

/** What the grant proved is over with the outage; the next one asks again. Giving it back is a matter of its own. */
const spent = (witness: WitnessState): WitnessState =>
  witness.grantedAt === null ? witness : { ...witness, grantedAt: null };

/** D2: contact resets silence, lease and latch; proofs of death are spent. */
function beginContact(turn: Turn): void {
  const { state } = turn;
  const pendingFence = state.fence.pending;
  change(turn, {
    suspected: false,
    dead: false,
    votes: freshVotes,
    witness: spent(state.witness),
    probes: freshProbes,
    fence: { ...freshFence, pending: pendingFence },
    recovery: state.recovery?.phase === "running" ? state.recovery : null,
    promotion: state.promotion?.phase === "running" ? state.promotion : null,
  });
  if (state.blocked !== null && !state.blocked.startsWith("split brain")) change(turn, { blocked: null });
  if (pendingFence !== null) turn.actions.push({ kind: "withdraw-fence", id: pendingFence });
  log(turn, "peer.contact", "the other host answers again");
  turn.actions.push({ kind: "beat" });
}

function absorbSample(turn: Turn, id: number, passed: boolean): void {
  const { votes, config } = turn.state;
  if (votes.pending?.id !== id) return;
  if (!passed || (config.heuristics.length === 0 && inForce(config, "A3")))
    return failVote(turn, passed ? "no heuristic address is configured (A3)" : "a heuristic address did not answer");
  if (turn.now - votes.pending.sentAt > config.timers.sample && inForce(config, "D10"))
    return failVote(turn, "a vote sample came too late");
  change(turn, {
    votes: { ...votes, runSince: votes.runSince ?? turn.now, lastPassedAt: turn.now, lastOk: true, pending: null },
  });
}

function absorbProbe(turn: Turn, event: Event & { kind: "probe" }): void {
  const { state, now } = turn;
  const { probes } = state;
  if (probes.pending !== event.id) return;
  const bothSilent = event.peer === "silent" && event.vip === "free";
  change(turn, {
    probes: {
      ...probes,
      pending: null,
      silentAt: bothSilent ? (probes.askedAt ?? now) : event.peer === "answered" ? null : probes.silentAt,
      conflictMac: event.vip === "answered" ? event.mac : event.vip === "free" ? null : probes.conflictMac,
    },
    peer: event.peer === "answered" ? { ...state.peer, signAt: now } : state.peer,
  });
  if (event.power === "off") change(turn, { fence: { ...turn.state.fence, offAt: now } });
}

/**
 * V6: the record by which the storage changes hands may be on the disk although its write failed. Its epoch is used up
 * then, and nobody owns the storage in it.
 */
function spendEpoch(turn: Turn, id: number, epoch: number): void {
  const { activity, owed, durable, syncedEpoch } = turn.state;
  const taken = activity?.kind === "activate" && activity.token !== null && activity.pending.includes(id);
  const given = owed.some(({ kind, waitingFor }) => (kind === "claim" || kind === "cancel") && waitingFor.includes(id));
  if ((!taken && !given) || epoch <= durable.epoch) return;
  // What was given back in sync, and taken by nobody, still is.
  const synced = taken && syncedEpoch === durable.epoch ? epoch : null;
  change(turn, { durable: { ...durable, epoch, owner: null }, syncedEpoch: synced });
}

function absorbResult(turn: Turn, id: number, ok: boolean, detail: string): void {
  const { state, now } = turn;
  if (state.persisting?.id === id) {
    const { record } = state.persisting;
    if (ok) noteDurable(turn, record);
    else {
      // A full disk is tried again four times a second, and told of once.
      if (state.unsure === null)
        log(turn, "action.failed", `the durable record could not be written: ${detail}`, "error");
      change(turn, { persistAfter: now + WRITE_AGAIN_MS });
      spendEpoch(turn, id, record.epoch);
    }
    change(turn, { persisting: null, unsure: ok ? null : Math.max(record.epoch, state.unsure ?? 0) });
  }
  if (state.fence.pending === id) absorbFence(turn, ok, detail);
  if (state.activity?.pending.includes(id) === true) {
    const pending = state.activity.pending.filter((p) => p !== id);
    change(turn, { activity: { ...state.activity, pending, failed: ok ? state.activity.failed : detail } });
  }
  if (state.solo?.phase === "persisting" && state.solo.pending === id) {
    // V6: the record may be on the disk, so it is written until it is. Its proof holds until contact, and after that the
    // heartbeats, which call the other copy barred since the first try, keep that host from taking over.
    change(turn, { solo: ok ? null : { ...state.solo, pending: -1 } });
    if (ok)
      log(turn, "epoch.committed", `epoch ${turn.state.durable.epoch}: the other copy is barred (${state.solo.proof})`);
  }
  absorbOwed(turn, id, ok, detail);
  absorbRepair(turn, id, ok, detail);
  if (state.recovery?.phase === "running" && state.recovery.id === id) {
    change(turn, { recovery: { ...state.recovery, phase: ok ? "done" : "failed", at: now } });
    log(turn, ok ? "vm.started" : "vm.failed", detail, ok ? "info" : "error");
  }
  if (state.isolated?.phase === "starting" && state.isolated.id === id) {
    change(turn, { isolated: { ...state.isolated, phase: ok ? "done" : "failed", at: now } });
    log(turn, ok ? "vm.started" : "vm.failed", detail, ok ? "info" : "error");
  }
  if (state.promotion?.phase === "running" && state.promotion.id === id) {
    change(turn, { promotion: { ...state.promotion, phase: ok ? "done" : "failed", at: now } });
    log(turn, ok ? "xapi.promoted" : "action.failed", detail, ok ? "info" : "error");
  }
}

/** D15: a takeover counts from the moment it is durable. */
function noteDurable(turn: Turn, record: DurableRecord): void {
  const { state } = turn;
  const counted = record.takeovers > state.durable.takeovers;
  change(turn, { durable: record, moves: counted ? [...state.moves, turn.now] : state.moves });
}

function absorbRepair(turn: Turn, id: number, ok: boolean, detail: string): void {
  const { repairs } = turn.state;
  const entry = Object.entries(repairs).find(([, r]) => r.id === id);
  if (entry === undefined) return;
  const [name, r] = entry;
  if (ok && name === FOLLOW)
    return change(turn, { repairs: { ...repairs, [name]: { ...r, id: -1, at: turn.now, failures: FOLLOW_REST } } });
  if (ok) {
    const { [name]: _done, ...rest } = repairs;
    return change(turn, { repairs: rest });
  }
  if (r.failures === 0) log(turn, "action.failed", `${name}: ${detail}`, "warn");
  if (name === "open the portal's filter") change(turn, { portalCleared: false });
  change(turn, { repairs: { ...repairs, [name]: { id: -1, at: turn.now, failures: r.failures + 1 } } });
  // The bar may still stand: it is lifted again, and counts as standing until then.
  if (name === READMIT) change(turn, { barred: true });
}

function absorbFence(turn: Turn, ok: boolean, detail: string): void {
  const { state, now } = turn;
  if (ok && !inContact(state, now)) {
    log(turn, "fence.confirmed", detail);
    return change(turn, { fence: { ...state.fence, pending: null, verifiedAt: now, lastFailure: null } });
  }
  log(turn, "fence.failed", ok ? "the other host answered again while it was fenced" : detail, "error");
  const backoffMs = 2_000 * 2 ** state.fence.attempts;
  change(turn, { fence: { ...state.fence, pending: null, lastFailure: detail, nextAt: now + backoffMs } });
}

function absorbReply(turn: Turn, id: number, reply: (Event & { kind: "reply" })["reply"]): void {
  const { state } = turn;
  const silent = reply.kind === "silent";
  if (state.solo?.phase === "asking" && state.solo.pending === id) {
    change(turn, { solo: reply.kind === "done" ? { ...state.solo, phase: "persisting", pending: -1 } : null });
    if (reply.kind !== "done") change(turn, { consentAfter: turn.now + CONSENT_RETRY_MS });
    if (reply.kind !== "done")
      log(turn, "action.failed", `the other host did not outdate its copy: ${reply.reason}`, "warn");
  }
  if (state.activity?.pending.includes(id) === true) {
    const pending = state.activity.pending.filter((p) => p !== id);
    const failed =
      reply.kind === "done" ? state.activity.failed : `the release could not be confirmed: ${reply.reason}`;
    change(turn, { activity: { ...state.activity, pending, failed } });
  }
  if (state.claim?.phase === "asking" && state.claim.id === id) {
    change(turn, { claim: reply.kind === "done" ? { ...state.claim, phase: "persisting", id: -1 } : null });
    if (reply.kind !== "done") log(turn, "action.failed", `the claim was not granted: ${reply.reason}`, "warn");
  }
  if (state.isolated?.phase === "asking" && state.isolated.id === id) absorbConfirmation(turn, reply);
  if (state.handover?.pending === id)
    absorbHandoverReply(turn, reply.kind === "done", silent, silent ? "" : "reason" in reply ? reply.reason : "");
  change(turn, {
    commands: turn.state.commands.map((c) =>
      c.pending === id
        ? {
            ...c,
            pending: null,
            phase: `${c.phase}:${reply.kind === "done" ? "yes" : silent ? "silent" : "no"}`,
            ...(reply.kind === "refused" ? { said: reply.reason } : {}),
            ...(reply.kind === "done" && reply.said !== undefined ? { said: reply.said } : {}),
          }
        : c,
    ),
  });
}

/** A22: only the peer's own word that the domains are gone starts them here. */
function absorbConfirmation(turn: Turn, reply: (Event & { kind: "reply" })["reply"]): void {
  const { isolated } = turn.state;
  if (isolated === null) return;
  if (reply.kind !== "done") {
    log(turn, "vm.failed", `the other host did not give up its stalled VMs: ${reply.reason}`, "warn");
    return change(turn, { isolated: { ...isolated, phase: "failed", at: turn.now } });
  }
  change(turn, { isolated: { ...isolated, phase: "starting", id: -1 } });
}

/** A9: a refused offer or an acknowledged cancel takes the storage back; silence leaves nobody the owner until the deadline. */
function absorbHandoverReply(turn: Turn, done: boolean, silent: boolean, reason: string): void {
  const { handover } = turn.state;
  if (handover === null) return;
  if (handover.phase === "offered") {
    if (done || silent) return change(turn, { handover: { ...handover, pending: null } });
    log(turn, "storage.failed", `the other host refused the storage: ${reason}`, "error");
    return change(turn, { handover: { ...handover, phase: "cancelling", pending: null, deadline: turn.now } });
  }
  if (done) return change(turn, { handover: { ...handover, pending: null, token: "" } });
  change(turn, { handover: { ...handover, pending: null } });
}

export type { State };
