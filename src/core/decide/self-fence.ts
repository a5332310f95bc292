// D8: a host that may have been replaced stops serving and pauses its domains; the watchdog is its backstop.

import { everyView, ignoresHostLoss, inContact, isOwner, isSolo, leaseLeftMs, serving, votePasses } from "../facts.ts";
import { valueOf } from "../model/observation.ts";
import type { State } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import { inForce } from "../rules.ts";
import { alert, change, log, type Turn } from "../turn.ts";
import { begin } from "./begin.ts";

/** How long after its start a daemon waits for the first contact before it treats the lease as lost. Tokens wait too. */
const JOIN_GRACE_MS = 1_500;

/** A soft fence that did not come through is tried again after this; the watchdog is not fed meanwhile. */
const AGAIN_MS = 500;
/** Of the tries that fail alike one in so many is told. */
const TOLD_EVERY = 20;

/** D9: I hear the peer, it does not hear me: it may act as if I were dead. */
export const deaf = (state: State, now: Instant): boolean =>
  inForce(state.config, "D9") &&
  state.suspected &&
  !inContact(state, now) &&
  state.peer.heardAt !== null &&
  now - state.peer.heardAt < state.config.timers.suspect;

/** True while another host may rightfully act in this one's place. */
export function authorityLost(state: State, now: Instant): boolean {
  const { config } = state;
  if (state.durable.ha === "off" || ignoresHostLoss(state)) return false;
  if (inContact(state, now) || leaseLeftMs(state, now) > 0) return false;
  // A7: nobody acts for a host whose daemon is being exchanged.
  if (state.stopping?.phase === "resuming" && inForce(config, "A7")) return false;
  if (isOwner(state)) {
    // D5. The peer's copy is barred by DRBD's own word too, not only by a record that may be old (A2).
    const barred = isSolo(state) && everyView(state, (v) => v === undefined || v.peerDisk !== "UpToDate");
    if (barred && inForce(config, "D5")) return false;
    // Nobody can take over from a STRICT owner without shooting it: its I/O stays suspended, nothing else.
    return config.policy !== "strict";
  }
  // A27: one one-way heartbeat voids the vote for the whole outage, not for the second in which it was heard.
  return deaf(state, now) || state.votes.oneWay || !votePasses(state, now);
}

/** What would still run on this host if somebody else acted in its place now? Empty = safe. */
export function stillRunning(state: State): string[] {
  const left: string[] = [];
  if (valueOf(state.vip) !== "absent") left.push("the floating IP");
  const domains = valueOf(state.domains);
  if (domains === undefined) left.push("domains (unknown)");
  else if (domains.some((d) => !d.paused)) left.push("domains");
  return left;
}

export function selfFence(turn: Turn, tick: boolean): void {
  const { state, now } = turn;
  const { timers } = state.config;
  const endangered = authorityLost(state, now) && inForce(state.config, "D8");
  const lost = endangered && now - state.startedAt >= JOIN_GRACE_MS;
  // The mark alone is not enough: what was stopped may run again (an activation under way, an operator at the toolstack).
  const ending = state.activity?.kind === "soft-fence-end";
  const fenced = state.softFenced && !ending && stillRunning(state).length === 0;
  if (state.selfFencing !== null && (!endangered || fenced)) change(turn, { selfFencing: null });
  const last = turn.state.selfFencing;
  if (lost && !fenced && (last === null || now - last.at >= AGAIN_MS)) {
    if (state.activity === null || ending || state.activity.kind === "activate" || state.activity.kind === "release") {
      if (last === null && (serving(state) || stillRunning(state).length > 0)) {
        log(turn, "self-fence.begun", "the lease ended and nothing proves that the other host does not act", "warn");
        alert(turn, "self-fence", "this host stopped serving: it may have been replaced");
      }
      change(turn, { selfFencing: { at: now, tries: (last?.tries ?? 0) + 1, told: last?.told ?? "" } });
      begin(turn, { kind: "soft-fence", why: "lease lost (D8)", token: null, to: "nobody" });
    }
  }
  if (!tick || !state.config.watchdogUsed || !state.watchdogArmed) return;
  // D8, A21: fed only while authority is proven or the soft fence is verified complete. FENCE_REBOOT_LONE_HOST lets the
  // watchdog fire instead; a host that heard nobody since its start has done that already.
  const reboots = state.config.rebootLoneHost && state.peer.contactAt !== null;
  const safe = !endangered || (fenced && !reboots);
  const every = Math.min(1_000, timers.watchdog / 5);
  const { tokenAt } = turn.state;
  if (!safe || (tokenAt !== null && now - tokenAt < every)) return;
  turn.actions.push({ kind: "token" });
  change(turn, { tokenAt: now });
}

/**
 * Called when the soft-fence sequence has run through: verified, or begun again. Where the authority came back meanwhile
 * it counts as fenced in part, so that what it paused runs on.
 */
export function verifySoftFence(turn: Turn): void {
  const left = stillRunning(turn.state);
  const back = !authorityLost(turn.state, turn.now);
  change(turn, { softFenced: back || left.length === 0 });
  if (left.length === 0) {
    log(turn, "self-fence.complete", "floating IP removed, portal blocked, domains paused");
    return;
  }
  const { selfFencing } = turn.state;
  const text = `still there: ${left.join(", ")}`;
  if (selfFencing === null || (selfFencing.told === text && selfFencing.tries % TOLD_EVERY !== 0)) return;
  log(turn, "self-fence.begun", `${text} (try ${selfFencing.tries})`, "error");
  change(turn, { selfFencing: { ...selfFencing, told: text } });
}
