// Runs the one sequence that may be in flight: starts stages, re-checks authority before each, undoes on failure.

import { everyView, isOwner, isSolo, keepsDisks, takeoverForbidden, view } from "../facts.ts";
import { RELEASE_DEMOTES, stages } from "../plan/sequence.ts";
import type { Activity, State } from "../model/state.ts";
import { ask, change, effect, log, persist, writable, type Turn } from "../turn.ts";
import { authorityLost, verifySoftFence } from "./self-fence.ts";
import { begin } from "./begin.ts";
import { offer } from "./handover.ts";
import { TAKEOVER } from "./takeover.ts";

const RETRY_MS = 1_000;

export function progressActivity(turn: Turn): void {
  // Empty stages are passed over in one turn; the bound is the longest sequence.
  for (let guard = 0; guard < 10; guard++) {
    const { activity } = turn.state;
    if (activity === null || activity.pending.length > 0) return timeout(turn);
    if (activity.failed !== null) return fail(turn, activity, activity.failed);
    if (activity.begun) {
      if (activity.stage + 1 >= stages(turn.state, activity).length) return finish(turn, activity);
      change(turn, { activity: { ...activity, stage: activity.stage + 1, begun: false } });
    }
    const ready = turn.state.activity;
    if (ready === null) return;
    const refusal = mayGoOn(turn, ready);
    if (refusal !== undefined) return fail(turn, ready, refusal);
    if (!startStage(turn, ready)) return;
  }
}

/** The stage of an activation that promotes. */
const PROMOTES = 2;

/** V4: the resource whose disk failed since it was decided to serve here. DRBD would serve it through the other copy. */
const withoutDisk = (state: State): string | undefined =>
  state.config.resources.find((resource) => {
    const v = view(state, resource);
    return v?.role !== "Primary" && (v?.disk === "Diskless" || v?.disk === "Failed");
  });

/** Every step re-checks epoch and authority (protocol.md 7). */
function mayGoOn(turn: Turn, activity: Activity): string | undefined {
  if (activity.kind !== "activate") return undefined;
  // Stages 0 and 1 revalidate the token and write the record that makes this host the owner.
  if (activity.stage > 1 && !isOwner(turn.state)) return "another host became the owner";
  // V5: a mode that was ordered in the same moment is on record before the takeover is.
  const forbidden = activity.stage <= 1 && activity.why === TAKEOVER ? takeoverForbidden(turn.state) : undefined;
  if (forbidden !== undefined) return forbidden;
  const failed = activity.stage === PROMOTES ? withoutDisk(turn.state) : undefined;
  if (failed !== undefined) return `the disk under ${failed} failed`;
  if (activity.stage > 1 && !isSolo(turn.state) && authorityLost(turn.state, turn.now)) return "the lease ended";
  return undefined;
}

function startStage(turn: Turn, activity: Activity): boolean {
  const items = stages(turn.state, activity)[activity.stage] ?? [];
  if (items.some((item) => item.kind === "write" && !writable(turn, item.patch))) return false;
  const pending: number[] = [];
  for (const item of items) {
    if (item.kind === "effect") pending.push(effect(turn, item.body));
    else if (item.kind === "ask") pending.push(ask(turn, item.request, 1_000));
    else {
      const id = persist(turn, item.patch, activity.why);
      if (id !== undefined) pending.push(id);
    }
  }
  change(turn, { activity: { ...activity, pending, begun: true } });
  return true;
}

/** A release that does not come through in time is rolled back; the stuck effect keeps its lane busy. */
function timeout(turn: Turn): void {
  const { activity, config } = turn.state;
  if (activity?.kind !== "release" || turn.now - activity.startedAt < config.timers.release) return;
  fail(turn, activity, `not released within ${config.timers.release} ms`);
}

function fail(turn: Turn, activity: Activity, reason: string): void {
  log(turn, "storage.failed", `${activity.kind} (${activity.why}): ${reason}`, "error");
  change(turn, { activity: null, retryAt: turn.now + RETRY_MS });
  const { state } = turn;
  switch (activity.kind) {
    case "activate":
      if (activity.stage <= 1) return;
      // Undo in reverse. The record stays: this host is the owner, or nobody is, until something proves otherwise.
      return begin(turn, { kind: "stand-down", why: `undo: ${reason}` });
    case "release": {
      // V4: once a demotion was ordered, what DRBD would serve through the other host's disk goes on to that host.
      const demoting = activity.stage >= RELEASE_DEMOTES;
      // Where every demotion failed this host is Primary still, and serving again takes no promotion.
      const isPrimary = activity.pending.length === 0 && everyView(state, (v) => v?.role === "Primary");
      if (demoting && !keepsDisks(state) && !isPrimary) return begin(turn, { ...activity, token: null });
      // The write that gives the storage up may be through already, or still come through: take it back then. It was not
      // offered yet, so nobody else can own anything in this epoch, and a new one could be the peer's (D6).
      const owns = isOwner(state) && state.persisting === null;
      const record = owns ? null : { owner: state.config.hostId };
      return begin(turn, { kind: "activate", why: `release rolled back: ${reason}`, record });
    }
    case "soft-fence":
      return verifySoftFence(turn);
    case "stand-down":
      // What is left is withdrawn by repair; then the filter that it set has to go too.
      return change(turn, { portalCleared: false });
    case "soft-fence-end":
      return;
  }
}

function finish(turn: Turn, activity: Activity): void {
  change(turn, { activity: null });
  switch (activity.kind) {
    case "activate":
      change(turn, { portalCleared: true });
      log(turn, "storage.activated", `${activity.why}: ${Math.round(turn.now - activity.startedAt)} ms`);
      turn.actions.push({ kind: "kick-initiators" }, { kind: "beat" });
      return;
    case "release":
      log(turn, "storage.released", `${activity.why}: ${Math.round(turn.now - activity.startedAt)} ms`);
      if (activity.to === "peer") offer(turn, activity.record?.takeovers !== undefined);
      else turn.actions.push({ kind: "beat" });
      return;
    case "stand-down":
      return;
    case "soft-fence":
      return verifySoftFence(turn);
    case "soft-fence-end":
      return change(turn, { softFenced: false });
  }
}
