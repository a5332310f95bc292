// What this host would do if the other one lost its power now: the decision function itself, run on a copy of its state
// against a world in which the other host is gone and everything asked of this host succeeds as far as it is known to.
// Pure; for `explain` only. It must never be taken for a promise: a device that answers today may be dead on the day.

import { explain } from "./explain.ts";
import { inContact, isOwner, serving } from "./facts.ts";
import type { DrbdView } from "./model/drbd.ts";
import type { Event, TargetFacts } from "./model/event.ts";
import { known, valueOf } from "./model/observation.ts";
import type { State } from "./model/state.ts";
import type { Instant, Millis } from "./model/time.ts";
import type { Action } from "./plan/action.ts";
import { step } from "./step.ts";

/** What is known to answer at this moment. */
export interface ForecastWorld {
  readonly heuristicsAnswer: boolean;
  readonly witnessAnswers: boolean;
  /** Null: there is no device, or it was not tried. */
  readonly fenceWorks: boolean | null;
  /** Longest that the device took to answer; null: not measured. */
  readonly fenceMs: Millis | null;
}

export interface ForecastStep {
  readonly afterMs: Millis;
  readonly what: string;
}

export interface ForecastResult {
  readonly storageServed: boolean;
  readonly steps: readonly ForecastStep[];
  readonly obstacles: readonly string[];
}

/** Assumed lengths of what is not decided but done; the tests of the lab measure them. */
const PERSIST_MS: Millis = 20;
const EFFECT_MS: Millis = 100;
const ANSWER_MS: Millis = 50;
const PROMOTE_XAPI_MS: Millis = 8_000;
const FENCE_MS: Millis = 2_000;
/** Beyond T_take: a power-off that takes its time, the toolstack, VM starts. */
const AFTERWARDS_MS: Millis = 60_000;

const WORDS: Readonly<Record<string, string>> = {
  "peer.suspected": "the other host is suspected",
  "fence.requested": "the fence device is told to switch the other host off",
  "fence.confirmed": "the power is read back as off",
  "fence.failed": "the fence device fails",
  "vote.lost": "the vote is lost",
  "witness.granted": "the witness grants the storage",
  "epoch.committed": "the other copy is barred; I/O goes on here",
  "self-fence.begun": "this host stops serving and pauses its VMs",
  "storage.activating": "the takeover of the storage begins",
  "storage.activated": "this host serves the storage",
  "xapi.promoted": "this host's toolstack is the pool master",
  "vm.starting": "the other host's protected VMs start here",
};

interface Due {
  readonly at: Instant;
  readonly event: Event;
}

/** Null while the other host is silent already: then `explain` says what happens. */
export function forecast(now: State, world: ForecastWorld): ForecastResult | null {
  const zero = now.lastTick;
  if (!inContact(now, zero)) return null;
  const bench = createBench(now, world);
  const { timers } = now.config;
  const period = Math.min(timers.hb, 100);
  const end = zero + 3 * timers.take + AFTERWARDS_MS;
  bench.later(timers.drbd, drbdLost(now));
  if (isOwner(now))
    for (const resource of now.config.resources)
      bench.later(timers.drbd, { kind: "handler", resource, handler: `forecast ${resource}` });
  for (let at = zero + period; at <= end && !settled(bench.state()); at += period) bench.turn(at);
  const state = bench.state();
  const storageServed = serving(state) && isOwner(state);
  const waits = explain(state, state.lastTick).map(({ rule, sentence }) => `${sentence} (${rule})`);
  const over = storageServed && state.recovery?.phase === "done";
  return { storageServed, steps: bench.steps(), obstacles: over ? [] : [...new Set(waits)] };
}

/** Storage and VMs are as they will stay. */
const settled = (state: State): boolean =>
  (serving(state) && state.recovery?.phase === "done") || state.softFenced || state.blocked !== null;

function drbdLost(state: State): Event {
  const views = valueOf(state.drbd) ?? {};
  const lost = (view: DrbdView): DrbdView => ({
    ...view,
    connection: "Connecting",
    replication: "Off",
    peerRole: "Unknown",
    peerDisk: "DUnknown",
    suspended: view.role === "Primary",
  });
  const after = Object.fromEntries(Object.entries(views).map(([name, view]) => [name, lost(view)]));
  return { kind: "drbd", views: known(after, state.lastTick) };
}

interface Bench {
  state(): State;
  steps(): readonly ForecastStep[];
  later(afterMs: Millis, event: Event): void;
  turn(at: Instant): void;
}

function createBench(first: State, world: ForecastWorld): Bench {
  const zero = first.lastTick;
  let state = first;
  let stamp = 0;
  let clock = zero;
  let due: Due[] = [];
  const steps: ForecastStep[] = [];

  const later = (afterMs: Millis, event: Event): void => void due.push({ at: clock + afterMs, event });
  const result = (id: number, afterMs: Millis, ok = true): void =>
    later(afterMs, { kind: "result", id, ok, detail: ok ? "as assumed" : "the fence device does not answer" });

  function feed(event: Event): void {
    const next = step(state, event, clock);
    state = next.state;
    for (const action of next.actions) answer(action);
  }

  function patchDrbd(resource: string | null, patch: Partial<DrbdView>): void {
    const views = valueOf(state.drbd) ?? {};
    const changed = Object.entries(views).map(([name, view]) => [
      name,
      resource === null || name === resource ? { ...view, ...patch } : view,
    ]);
    later(EFFECT_MS, { kind: "drbd", views: known(Object.fromEntries(changed), clock) });
  }

  function patchTarget(patch: Partial<TargetFacts>): void {
    const before = valueOf(state.target) ?? { running: false, filled: false, portalOpen: false };
    later(EFFECT_MS, { kind: "target", target: known({ ...before, ...patch }, clock) });
  }

  /** A host that died for want of power: its fence device says so to the host that does not own the storage. */
  const power = (): { readonly power?: "off" } =>
    state.config.policy.startsWith("strict") && !isOwner(state) && world.fenceWorks !== false ? { power: "off" } : {};

  /** The world's side of each action; what has no side is said and forgotten. */
  function answer(action: Action): void {
    switch (action.kind) {
      case "log": {
        const what = WORDS[action.event];
        if (what !== undefined && !steps.some((one) => one.what === what))
          steps.push({ afterMs: Math.round(clock - zero), what });
        return;
      }
      case "persist":
        return result(action.id, PERSIST_MS);
      case "sample":
        return later(ANSWER_MS, { kind: "sample", id: action.id, passed: world.heuristicsAnswer });
      case "probe":
        return later(ANSWER_MS, { kind: "probe", id: action.id, peer: "silent", vip: "free", mac: null, ...power() });
      case "ask":
        return later(action.timeoutMs, {
          kind: "reply",
          id: action.id,
          reply: { kind: "silent", reason: "the other host is gone" },
        });
      case "ask-witness": {
        const granted = action.request.kind === "grant" || state.witness.grantedAt !== null;
        const holder = granted ? state.config.hostId : null;
        stamp += 1;
        const said = { granted, holder, epoch: action.request.epoch, stamp, refusal: null };
        const answers = state.config.witnesses.map(() => (world.witnessAnswers ? said : null));
        return later(ANSWER_MS, { kind: "witness", id: action.id, answers });
      }
      case "fence":
        return result(action.id, world.fenceMs ?? FENCE_MS, world.fenceWorks !== false);
      case "answer-handler":
        return patchDrbd(action.resource, { suspended: action.code === 1 || action.code === 6 });
      case "resume-io":
        patchDrbd(action.resource, { suspended: false });
        return result(action.id, EFFECT_MS);
      case "promote":
        patchDrbd(action.resource, { role: "Primary" });
        return result(action.id, EFFECT_MS + 1);
      case "demote":
        patchDrbd(action.resource, { role: "Secondary" });
        return result(action.id, EFFECT_MS + 1);
      case "outdate":
        patchDrbd(action.resource, { disk: "Outdated" });
        return result(action.id, EFFECT_MS + 1);
      case "target-warm":
        patchTarget({ running: true });
        return result(action.id, EFFECT_MS + 1);
      case "target-fill":
        patchTarget({ running: true, filled: true });
        return result(action.id, EFFECT_MS + 1);
      case "portal-open":
        patchTarget({ portalOpen: true });
        return result(action.id, EFFECT_MS + 1);
      case "target-withdraw":
        patchTarget({ running: false, filled: false, portalOpen: false, holds: false });
        return result(action.id, EFFECT_MS + 1);
      case "vip-add":
      case "vip-remove": {
        const vip = action.kind === "vip-add" ? ("present" as const) : ("absent" as const);
        later(EFFECT_MS, { kind: "vip", vip: known(vip, clock) });
        return result(action.id, EFFECT_MS + 1);
      }
      case "xapi-promote":
        later(PROMOTE_XAPI_MS, {
          kind: "xapi",
          xapi: known({ role: "master", masterId: state.config.hostId }, clock),
        });
        return result(action.id, PROMOTE_XAPI_MS + 1);
      case "answer":
      case "command-reply":
      case "beat":
      case "token":
      case "kick-initiators":
      case "look-at-domains":
      case "alert":
      case "alert-over":
        return;
      default:
        return result(action.id, EFFECT_MS);
    }
  }

  return {
    state: () => state,
    steps: () => steps,
    later,
    turn(at) {
      for (;;) {
        const next = due.filter((one) => one.at <= at).toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        due = due.filter((one) => one !== next);
        clock = Math.max(clock, next.at);
        feed(next.event);
      }
      clock = at;
      feed({ kind: "tick" });
    },
  };
}
