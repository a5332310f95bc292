// A7, A13: this daemon is about to stop. Nothing may depend on it any more when it says that it can: no lease, no
// watchdog, no ownership that nobody looks after.

import { inContact, isOwner, peerOwns, protectedOf, serving } from "../facts.ts";
import { valueOf } from "../model/observation.ts";
import type { PendingCommand, State } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import { ask, change, log, type Turn } from "../turn.ts";
import { begin } from "./begin.ts";
import { end, reply, to, wait } from "./command-reply.ts";
import { releaseRefusal } from "./ownership.ts";
import { DESIGNATE } from "./repair.ts";

/** A pause that is not followed by the end of the daemon is over after this. */
const PAUSE_ENDS_MS = 30_000;
/** The other host may have been lost while the daemon was exchanged: after this its silence counts. */
const RESUME_MS = 10_000;
const AGREE_MS = 5_000;
const LEAVE_MS = 15_000;
/** The master role has this long to follow the storage; a shutdown, on a battery say, waits no longer for it. */
const ROLE_MS = 30_000;

/** A7: the daemon stops, its host goes on. Both hosts must know it before the watchdog is disarmed. */
export function pause(turn: Turn, id: number): void {
  const { state, now } = turn;
  const next =
    "stop it when both hosts talk again, or after 'ha-cfg disable --force'; ended without, its watchdog resets this host";
  if (state.durable.ha === "off") return reply(turn, id, "done", "HA is off: the daemon may stop");
  if (!inContact(state, now))
    return reply(turn, id, "refused", "the other host does not answer, so it cannot agree to a pause", next, "A7");
  if (state.activity !== null || state.handover !== null || state.claim !== null || state.solo !== null)
    return reply(turn, id, "refused", "the storage is changing hands just now", "try again in some seconds", "A7");
  if (state.peer.body?.intent === "paused" || state.peer.body?.intent === "leaving")
    return reply(turn, id, "refused", "the daemon of the other host is stopped or about to stop", next, "A7");
  change(turn, { stopping: { intent: "paused", phase: "asking", since: now } });
  turn.actions.push({ kind: "beat" });
  wait(turn, id, "pause", "tell");
}

export function progressPause(turn: Turn, command: PendingCommand, waitedMs: number): void {
  const { state } = turn;
  switch (command.phase) {
    case "tell:yes":
      if (state.stopping !== null) change(turn, { stopping: { ...state.stopping, phase: "agreed" } });
      return to(turn, command, "disarm");
    case "disarm":
      if (!state.watchdogArmed) return end(turn, command, "done", "both hosts know it: the daemon may stop");
      break;
    default:
      if (waitedMs < AGREE_MS) return announce(turn, command);
  }
  if (waitedMs < AGREE_MS) return;
  change(turn, { stopping: null });
  end(turn, command, "failed", "the watchdog could not be disarmed safely (A7)", "see 'iscsi-cfg log' on both hosts");
}

/** The other host says no until it heard the announcement in a heartbeat: it is asked again a heartbeat later. */
function announce(turn: Turn, command: PendingCommand): void {
  const { stopping, config } = turn.state;
  if (stopping === null || turn.now - (stopping.askedAt ?? -Infinity) < config.timers.hb) return;
  change(turn, { stopping: { ...stopping, askedAt: turn.now } });
  to(turn, command, "tell", ask(turn, { kind: "pause" }, 500));
}

/** A13: the host shuts down. The storage goes to the other host, or is closed as it is when there is none. */
export function leave(turn: Turn, id: number): void {
  change(turn, { stopping: { intent: "leaving", phase: "asking", since: turn.now }, syncedEpoch: null });
  log(turn, "state.changed", "this host leaves");
  turn.actions.push({ kind: "beat" });
  wait(turn, id, "leave", "release");
  giveBack(turn);
  // The other host owns the storage already, and the role was left here.
  if (valueOf(turn.state.xapi)?.role === "master" && peerOwns(turn.state)) followAtOnce(turn);
}

function giveBack(turn: Turn): void {
  const { state, now } = turn;
  if (!isOwner(state) || state.activity !== null || state.handover !== null) return;
  const refusal = releaseRefusal(state, now);
  if (refusal === undefined) {
    change(turn, { designate: true });
    return begin(turn, { kind: "release", why: "this host leaves", to: "peer" });
  }
  begin(turn, { kind: "stand-down", why: `this host leaves, and the storage stays its own: ${refusal}` });
}

export function progressLeave(turn: Turn, command: PendingCommand, waitedMs: number): void {
  const { state, now } = turn;
  const running = stillRunning(state);
  // The storage came to this host after the word was said, or its release was rolled back.
  if (serving(state) && now >= state.retryAt) giveBack(turn);
  const released = turn.state.activity === null && state.handover === null && !serving(state);
  if (released && running === 0) {
    if (state.stopping?.phase === "asking") {
      change(turn, { stopping: { ...state.stopping, phase: "agreed" } });
      turn.actions.push({ kind: "beat" });
    }
    if (!state.watchdogArmed) return awaitRole(turn, command, waitedMs);
  }
  if (waitedMs < LEAVE_MS) return;
  const waits = [
    ...(released ? [] : ["the storage was not given back yet"]),
    ...(running === undefined ? ["the VMs of this host are not known"] : []),
    ...(running !== undefined && running > 0 ? [`${running} protected VMs still run here`] : []),
    ...(released && running === 0 && state.watchdogArmed ? ["the watchdog is still armed"] : []),
  ];
  end(turn, command, "failed", `waiting: ${waits.join("; ")}`, "stop the VMs, or see 'iscsi-cfg log'");
}

/**
 * The toolstack of a host that is off cannot hand its role over, and one that is promoted without it starts from a copy of the
 * pool's database that may be minutes old (xapi.md 6.6). So the daemon, which ends before xapi does, waits.
 */
function awaitRole(turn: Turn, command: PendingCommand, waitedMs: number): void {
  const { state, now } = turn;
  const text = "this host gave everything back: the daemon may stop";
  if (!roleIsFollowing(state, now)) {
    // The last word of this daemon.
    turn.actions.push({ kind: "beat" });
    return end(turn, command, "done", text);
  }
  if (waitedMs >= ROLE_MS) {
    const late = `the master role did not follow within ${ROLE_MS / 1000} s: the other host takes it when this one is gone`;
    log(turn, "action.failed", late, "warn");
    return end(turn, command, "done", `${text}; ${late}`);
  }
  if (command.phase === "role") return;
  to(turn, command, "role");
  log(turn, "state.changed", `waiting for the master role to follow the storage, at most ${ROLE_MS / 1000} s`);
}

/** It was asked for and this host's pool.conf does not name the new master yet. One that cannot take it is not waited for. */
function roleIsFollowing(state: State, now: Instant): boolean {
  const { repairs, peer } = state;
  if (repairs[DESIGNATE] === undefined || !inContact(state, now)) return false;
  if (peer.body?.intent === "leaving" || peer.body?.flags.maintenance === true) return false;
  // Written when the order is carried out; the toolstacks restart for it later. The other host hears the role it leaves in.
  return valueOf(state.xapi)?.role !== "supporter";
}

/** Tried by the repair from the next second on. */
function followAtOnce(turn: Turn): void {
  if (turn.state.repairs[DESIGNATE] !== undefined) return;
  change(turn, { repairs: { ...turn.state.repairs, [DESIGNATE]: { id: -1, at: turn.now, failures: 0 } } });
}

/**
 * Protected VMs that execute here: the other host would start them too, so they must end before the watchdog is disarmed. With
 * HA off nobody starts anything, and no watchdog is armed: a shutdown need not wait for them.
 */
function stillRunning(state: State): number | undefined {
  if (state.durable.ha === "off") return 0;
  const domains = valueOf(state.domains);
  if (domains === undefined) return undefined;
  const executing = domains.filter((d) => !d.paused).map((d) => d.uuid);
  return protectedOf(state, executing).length;
}

/**
 * The daemon was to stop and did not: it goes on as before. One that took the place of another begins with the first contact.
 * A host that leaves never takes that back.
 */
export function expirePause(turn: Turn): void {
  const { state, now } = turn;
  const { stopping, commands } = state;
  if (stopping?.intent !== "paused") return;
  const waits =
    stopping.phase === "resuming"
      ? !inContact(state, now) && now - stopping.since < RESUME_MS
      : commands.length > 0 || now - stopping.since < PAUSE_ENDS_MS;
  if (waits) return;
  change(turn, { stopping: null });
  turn.actions.push({ kind: "beat" });
}
