// Everything that can happen to one host's software, as a number (for the memory of locals.ts) and as what it does:
// events for the real `step`, and the bookkeeping of what the host waits for.

import type { CoreConfig } from "../../src/core/model/config.ts";
import type { Command, Event } from "../../src/core/model/event.ts";
import { known, type Observation } from "../../src/core/model/observation.ts";
import type { HeartbeatBody, PeerRequest } from "../../src/core/model/peer.ts";
import type { WitnessAnswer } from "../../src/core/model/witness.ts";
import { initialState, type State } from "../../src/core/model/state.ts";
import type { Action } from "../../src/core/plan/action.ts";
import { step } from "../../src/core/step.ts";
import { assertNever } from "../../src/util/assert.ts";
import { BLIND, type Local, type Outstanding } from "./canonical.ts";
import { NOBODY } from "./frame.ts";
import { drbdViews, VM, VM_NAMES } from "./host.ts";

export type Happening =
  /** "age": a tick of time passes; "tick": the daemon's timer runs. */
  | { readonly kind: "tick" | "age" | "start" | "stop" | "handler" | "handler-gone" }
  /** How the effect at this position ended: it is `stored` when only the disk knows of it (a daemon that dies). */
  | { readonly kind: "done" | "failed" | "failed-after" | "stored" | "delivered"; readonly at: number }
  | { readonly kind: "sample"; readonly at: number; readonly passed: boolean }
  /** Null: it did not answer. */
  | { readonly kind: "witness"; readonly at: number; readonly answer: WitnessAnswer | null }
  | { readonly kind: "probe"; readonly at: number; readonly peer: boolean; readonly vip: boolean }
  | { readonly kind: "heartbeat"; readonly body: HeartbeatBody; readonly echoTicks: number | null }
  | { readonly kind: "drbd" | "rest"; readonly code: number }
  | { readonly kind: "request"; readonly slot: number; readonly request: PeerRequest }
  | { readonly kind: "reply"; readonly at: number; readonly answer: "done" | "refused" | "silent" }
  /** Whoever asked this does not wait for the answer any more. */
  | { readonly kind: "orphan"; readonly slot: number }
  | { readonly kind: "command"; readonly command: Command };

const KINDS = [
  "tick",
  "age",
  "start",
  "stop",
  "handler",
  "handler-gone",
  "done",
  "failed",
  "failed-after",
  "stored",
  "delivered",
  "sample",
  "probe",
  "heartbeat",
  "drbd",
  "rest",
  "request",
  "reply",
  "orphan",
  "command",
  "witness",
] as const satisfies readonly Happening["kind"][];

const code = (kind: Happening["kind"], payload = 0): number => KINDS.indexOf(kind) + 32 * payload;

/** By the words of the command line. */
const COMMANDS = {
  switch: { kind: "switch", storageOnly: true },
  "confirm-peer-off": { kind: "confirm-peer-off" },
  disable: { kind: "disable", force: false },
  "disable --force": { kind: "disable", force: true },
  enable: { kind: "enable", force: false },
  "manual on": { kind: "manual", on: true, force: false },
  "manual off": { kind: "manual", on: false, force: true },
  "become-primary": { kind: "become-primary", force: false },
  "become-secondary": { kind: "become-secondary" },
  leave: { kind: "leave" },
  pause: { kind: "pause" },
} as const satisfies Readonly<Record<string, Command>>;

export type CommandName = keyof typeof COMMANDS;
const COMMAND_LIST: readonly Command[] = Object.values(COMMANDS);
const COMMAND_NAMES: readonly string[] = Object.keys(COMMANDS);
/** Two commands under way at a time have ids of their own. */
const FIRST_COMMAND_ID = 9_000;

const ANSWERS = ["done", "refused", "silent"] as const;
/** An echo this old or older is none. */
export const NO_ECHO = 3;
const HANDLER = "fence-peer";

const TICK = code("tick");
const AGE = code("age");
const START = code("start");
const STOP = code("stop");
const HANDLER_WAITS = code("handler");
const HANDLER_GONE = code("handler-gone");
const [DONE, FAILED, FAILED_AFTER, STORED, DELIVERED] = [
  code("done"),
  code("failed"),
  code("failed-after"),
  code("stored"),
  code("delivered"),
];
const [SAMPLE, PROBE, HEARTBEAT, DRBD, REST] = [
  code("sample"),
  code("probe"),
  code("heartbeat"),
  code("drbd"),
  code("rest"),
];
const [REQUEST, REPLY, ORPHAN, COMMAND] = [code("request"), code("reply"), code("orphan"), code("command")];
const WITNESS = code("witness");

export const happen = {
  tick: TICK,
  age: AGE,
  start: START,
  stop: STOP,
  handler: HANDLER_WAITS,
  handlerGone: HANDLER_GONE,
  done: (at: number): number => DONE + 32 * at,
  failed: (at: number): number => FAILED + 32 * at,
  failedAfter: (at: number): number => FAILED_AFTER + 32 * at,
  stored: (at: number): number => STORED + 32 * at,
  delivered: (at: number): number => DELIVERED + 32 * at,
  sample: (at: number, passed: boolean): number => SAMPLE + 32 * (2 * at + Number(passed)),
  probe: (at: number, peer: boolean, vip: boolean): number => PROBE + 32 * (4 * at + 2 * Number(peer) + Number(vip)),
  heartbeat: (body: number, echoTicks: number): number => HEARTBEAT + 32 * (4 * body + echoTicks),
  drbd: (view: number): number => DRBD + 32 * view,
  rest: (view: number): number => REST + 32 * view,
  request: (request: number, slot: number): number => REQUEST + 32 * (8 * request + slot),
  reply: (at: number, answer: number): number => REPLY + 32 * (4 * at + answer),
  orphan: (slot: number): number => ORPHAN + 32 * slot,
  command: (name: CommandName): number => COMMAND + 32 * COMMAND_NAMES.indexOf(name),
  witness: (answer: number, at: number): number => WITNESS + 32 * (16 * answer + at),

  read(event: number, { bodies, requests, answers }: Messages): Happening {
    const kind = KINDS[event & 31];
    const payload = event >> 5;
    switch (kind) {
      case "tick":
      case "age":
      case "start":
      case "stop":
      case "handler":
      case "handler-gone":
        return { kind };
      case "done":
      case "failed":
      case "failed-after":
      case "stored":
      case "delivered":
        return { kind, at: payload };
      case "sample":
        return { kind, at: payload >> 1, passed: (payload & 1) === 1 };
      case "probe":
        return { kind, at: payload >> 2, peer: (payload & 2) === 2, vip: (payload & 1) === 1 };
      case "heartbeat":
        return {
          kind,
          body: there(bodies[payload >> 2]),
          echoTicks: (payload & 3) === NO_ECHO ? null : payload & 3,
        };
      case "drbd":
      case "rest":
        return { kind, code: payload };
      case "request":
        return { kind, slot: payload & 7, request: there(requests[payload >> 3]) };
      case "reply":
        return { kind, at: payload >> 2, answer: there(ANSWERS[payload & 3]) };
      case "orphan":
        return { kind, slot: payload };
      case "command":
        return { kind, command: there(COMMAND_LIST[payload]) };
      case "witness":
        return { kind, at: payload & 15, answer: answers[payload >> 4] ?? null };
      case undefined:
        throw new RangeError(`no event has the code ${event}`);
      default:
        return assertNever(kind);
    }
  },

  apply,
};

/** What was said, by number. */
export interface Messages {
  readonly bodies: readonly HeartbeatBody[];
  readonly requests: readonly PeerRequest[];
  readonly answers: readonly (WitnessAnswer | null)[];
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new RangeError("an event points to nothing");
  return value;
}

export interface Happened {
  readonly local: Local;
  readonly actions: readonly Action[];
  /** Calls of `step`. */
  readonly steps: number;
  readonly now: number;
}

/** Views are shared objects, so that equal ones are equal by reference. */
const viewCache = new Map<number, Event>();
function drbdEvent(view: number): Event {
  let event = viewCache.get(view);
  if (event === undefined) {
    event = { kind: "drbd", views: known(drbdViews(view), 0) };
    viewCache.set(view, event);
  }
  return event;
}

/** The events that tell a daemon of what changed between two codes. */
function restEvents(before: number, after: number, config: CoreConfig): Event[] {
  const changed = (mask: number): boolean => before < 0 || ((before ^ after) & mask) !== 0;
  const seen = <T>(value: T): Observation<T> => known(value, 0);
  const bit = (n: number): boolean => ((after >> n) & 1) === 1;
  const events: Event[] = [];
  if (changed(0b1_0000_0000_0111)) {
    const target = { running: bit(0), filled: bit(1), portalOpen: bit(2), peerBarred: bit(12) };
    events.push({ kind: "target", target: seen(target) });
  }
  if (changed(0b1000)) events.push({ kind: "vip", vip: seen(bit(3) ? ("present" as const) : ("absent" as const)) });
  if (changed(0b1111_0000)) {
    const domains = VM_NAMES.flatMap((uuid, i) => {
      const vm = (after >> (4 + 2 * i)) & 3;
      return vm === VM.absent ? [] : [{ uuid, domId: i + 1, name: uuid, paused: vm === VM.paused }];
    });
    events.push({ kind: "domains", domains: seen(domains) });
  }
  if (changed(0b11_0000_0000)) {
    const masterId = bit(8) ? config.hostId : bit(9) ? config.peerId : null;
    const role = bit(8) ? ("master" as const) : ("supporter" as const);
    events.push({ kind: "xapi", xapi: seen({ role, masterId }) });
  }
  if (changed(0b1000_0000_0000)) events.push({ kind: "management", up: bit(11) });
  if (changed(0b100_0000_0000)) events.push({ kind: "watchdog", armed: bit(10) });
  return events;
}

function eventsOf(local: Local, h: Happening, config: CoreConfig, tickMs: number): readonly Event[] {
  switch (h.kind) {
    case "tick":
      return [{ kind: "tick" }];
    case "age":
    case "start":
    case "stop":
    case "stored":
    case "delivered":
    case "orphan":
      return [];
    case "handler":
      return [{ kind: "handler", resource: config.resources[0] ?? "", handler: HANDLER }];
    case "handler-gone":
      return [{ kind: "handler-gone", handler: HANDLER }];
    case "done":
    case "failed":
    case "failed-after": {
      const ok = h.kind === "done";
      return [{ kind: "result", id: there(local.out[h.at]).id, ok, detail: ok ? "" : "made to fail" }];
    }
    case "sample":
      return [{ kind: "sample", id: there(local.out[h.at]).id, passed: h.passed }];
    case "witness":
      return [{ kind: "witness", id: there(local.out[h.at]).id, answers: [h.answer] }];
    case "probe": {
      const { id } = there(local.out[h.at]);
      const [peer, vip] = [h.peer ? "answered" : "silent", h.vip ? "answered" : "free"] as const;
      return [{ kind: "probe", id, peer, vip, mac: h.vip ? "peer" : null }];
    }
    case "heartbeat": {
      const echoSentAt = h.echoTicks === null ? null : -h.echoTicks * tickMs;
      return [
        {
          kind: "heartbeat",
          heard: { link: "management", body: h.body, echoSentAt, linkEchoSentAt: echoSentAt, receivedAt: 0 },
        },
      ];
    }
    case "drbd":
      return [drbdEvent(h.code)];
    case "rest":
      return restEvents(local.told.rest, h.code, config);
    case "request":
      return [{ kind: "request", id: h.slot, request: h.request }];
    case "reply": {
      const { id } = there(local.out[h.at]);
      if (h.answer === "done") return [{ kind: "reply", id, reply: { kind: "done" } }];
      return [{ kind: "reply", id, reply: { kind: h.answer, reason: "no" } }];
    }
    case "command":
      return [{ kind: "command", id: FIRST_COMMAND_ID + COMMAND_LIST.indexOf(h.command), command: h.command }];
    default:
      return assertNever(h);
  }
}

/** What the host waits for, and its disk, before the daemon hears of it. */
function bookkeeping(local: Local, h: Happening, config: CoreConfig): Local {
  const without = (at: number): readonly Outstanding[] => local.out.filter((_, i) => i !== at);
  const recorded = (at: number): Local["disk"] => {
    const o = there(local.out[at]);
    return o.kind === "effect" && o.effect.kind === "persist" ? o.effect.record : local.disk;
  };
  switch (h.kind) {
    case "age":
      return { ...local, out: local.out.map((o) => (o.kind === "ask" ? { ...o, ageTicks: o.ageTicks + 1 } : o)) };
    case "start":
      return { ...local, state: initialState(config, local.disk, "boot", 1, 0), out: [], told: BLIND };
    case "stop":
      return { ...local, state: null, out: [], told: BLIND };
    case "done":
    case "failed-after":
    case "stored":
      return { ...local, disk: recorded(h.at), out: without(h.at) };
    case "failed":
    case "sample":
    case "witness":
    case "probe":
    case "reply":
      return { ...local, out: without(h.at) };
    case "delivered":
      return {
        ...local,
        out: local.out.map((o, i) => (i === h.at && o.kind === "ask" ? { ...o, delivered: true } : o)),
      };
    case "drbd":
      return { ...local, told: { ...local.told, drbd: h.code } };
    case "rest":
      return { ...local, told: { ...local.told, rest: h.code } };
    case "orphan": {
      if (local.state === null) return local;
      const { owed, deferred } = local.state;
      const state: State = {
        ...local.state,
        owed: owed.map((o) => (o.requestId === h.slot ? { ...o, requestId: NOBODY } : o)),
        deferred: deferred.map((d) => (d.id === h.slot ? { ...d, id: NOBODY } : d)),
      };
      return { ...local, state };
    }
    default:
      return local;
  }
}

/** `tickMs`: how far this host's clock goes on in a tick. */
function apply(local: Local, h: Happening, config: CoreConfig, tickMs: number): Happened {
  const events = local.state === null ? [] : eventsOf(local, h, config, tickMs);
  const now = h.kind === "age" ? tickMs : 0;
  const kept = bookkeeping(local, h, config);
  let { state } = kept;
  const actions: Action[] = [];
  for (const event of events) {
    if (state === null) break;
    const next = step(state, event, now);
    state = next.state;
    actions.push(...next.actions);
  }
  return {
    local: { ...kept, state, out: [...kept.out, ...asked(kept.out, actions)] },
    actions,
    steps: events.length,
    now,
  };
}

function asked(before: readonly Outstanding[], actions: readonly Action[]): Outstanding[] {
  const taken = new Set(before.flatMap((o) => (o.kind === "ask" ? [o.slot] : [])));
  return actions.flatMap((action): Outstanding[] => {
    switch (action.kind) {
      case "log":
      case "alert":
      case "alert-over":
      case "beat":
      case "token":
      case "kick-initiators":
      case "withdraw-fence":
      case "look-at-domains":
      case "command-reply":
      case "answer":
      case "answer-handler":
        return [];
      case "ask-witness":
        return [{ kind: "round", id: action.id, request: action.request, stamp: action.stamps[0] ?? null }];
      case "sample":
      case "probe":
        return [{ kind: action.kind, id: action.id }];
      case "ask": {
        let slot = 0;
        while (taken.has(slot)) slot += 1;
        taken.add(slot);
        const { id, request, timeoutMs } = action;
        return [{ kind: "ask", id, request, timeoutMs, slot, ageTicks: 0, delivered: false }];
      }
      default:
        return [{ kind: "effect", id: action.id, effect: action }];
    }
  });
}
