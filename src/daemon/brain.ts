// The brain: runs the decision function, beats to the peer, feeds the watchdog. Lives in its own worker thread so that a
// slow disk or child process of the hands never looks like a dead host. No file and no child process in here.

import { performance } from "node:perf_hooks";
import { explain } from "../core/explain.ts";
import { heartbeatOf } from "../core/heartbeat.ts";
import { inContact, notEligible, serving, silenceMs } from "../core/facts.ts";
import { ownVmsRefusal } from "../core/decide/own-vms.ts";
import { promotionRefusal, restartRefusal } from "../core/decide/recovery.ts";
import type { Event } from "../core/model/event.ts";
import type { Link } from "../core/model/peer.ts";
import { initialState, type State } from "../core/model/state.ts";
import { episodeView, hostState, outcome } from "../core/view.ts";
import { step } from "../core/step.ts";
import type { Action } from "../core/plan/action.ts";
import type { PeerLink, PeerLinkOptions } from "../drivers/peer/port.ts";
import type { WatchdogPort } from "../drivers/watchdog/port.ts";
import type { BrainStart, FromBrain, InnerAction, OuterAction, Snapshot, ToBrain } from "./messages.ts";

const TICK_MS = 50;
/** While the peer answers and nothing is under way: as many turns as heartbeats, twice over. */
const CALM_TICK_MS = 125;
/** The hands must have shown a pulse this recently for a token to go out. */
const PULSE_MS = 2_000;
/** Snapshots for display are sent on every change of the sentence, else at most this often. */
const SNAPSHOT_MS = 250;

export interface BrainParts {
  readonly link: (options: PeerLinkOptions) => PeerLink;
  readonly watchdog: WatchdogPort | null;
  readonly send: (message: FromBrain) => void;
}

export interface Brain {
  receive(message: ToBrain): void;
}

export async function startBrain(start: BrainStart, parts: BrainParts): Promise<Brain> {
  const now = (): number => performance.now();
  let state: State = initialState(start.config, start.durable, start.bootId, start.incarnation, now());
  let pulseAt = now();
  let beatAt = 0;
  let shown = "";
  let shownAt = 0;
  let considered = state;
  let consideredAt = 0;
  const replies = new Map<number, (answer: { kind: "done" } | { kind: "refused"; reason: string }) => void>();
  let nextRequest = 1;

  const link = parts.link({
    poolId: start.config.poolId,
    hostId: start.config.hostId,
    peerId: start.config.peerId,
    bootId: start.bootId,
    incarnation: start.incarnation,
    addresses: start.addresses,
    keys: start.keys,
    now,
    onHeartbeat: (heard) => feed({ kind: "heartbeat", heard }),
    onRequest: (request, reply) => {
      const id = nextRequest++;
      replies.set(id, reply);
      feed({ kind: "request", id, request });
    },
    onDropped: (reason, count) => parts.send({ kind: "dropped", reason, count }),
  });

  function feed(event: Event): void {
    const before = state;
    const at = now();
    const { state: next, actions } = step(state, event, at);
    state = next;
    const outer: OuterAction[] = [];
    for (const action of actions) {
      if (isInner(action)) inner(action);
      else outer.push(action);
    }
    if (outer.length > 0) parts.send({ kind: "actions", actions: outer });
    // State changes that the other host must know of travel at once, not with the next period; so does the echo that a
    // restarted daemon waits for.
    const newcomer = before.peer.body?.incarnation !== state.peer.body?.incarnation;
    if (newcomer || before.durable !== state.durable || before.activity?.kind !== state.activity?.kind) beat();
    show(at);
  }

  function inner(action: InnerAction): void {
    switch (action.kind) {
      case "beat":
        return beat();
      case "token":
        if (now() - pulseAt < PULSE_MS) parts.watchdog?.token();
        return;
      case "answer": {
        const reply = replies.get(action.id);
        replies.delete(action.id);
        reply?.(action.reply);
        return;
      }
      case "ask":
        void link
          .request(action.request, action.timeoutMs)
          .then((reply) => feed({ kind: "reply", id: action.id, reply }));
        return;
      case "watchdog-arm":
      case "watchdog-disarm":
        void watchdog(action.kind, action.id);
        return;
    }
  }

  async function watchdog(kind: "watchdog-arm" | "watchdog-disarm", id: number): Promise<void> {
    const port = parts.watchdog;
    if (port === null) return feed({ kind: "result", id, ok: false, detail: "no watchdog device is configured" });
    const result = kind === "watchdog-arm" ? await port.arm() : await port.disarm();
    feed({ kind: "watchdog", armed: port.armed() });
    feed({ kind: "result", id, ok: result.ok, detail: result.ok ? kind : `${kind}: ${result.error.kind}` });
  }

  function beat(): void {
    beatAt = now();
    link.beat(heartbeatOf(state, beatAt));
  }

  function snapshot(at: number): Snapshot {
    const lastHeard = (name: Link): number | null => {
      const heardAt = state.peer.linkContactAt[name];
      return heardAt === null ? null : Math.round(at - heardAt);
    };
    return {
      state,
      hostState: hostState(state),
      outcome: outcome(state, at),
      serving: serving(state),
      eligible: notEligible(state, at) === undefined,
      inContact: inContact(state, at),
      silenceMs: state.peer.contactAt === null ? null : Math.round(silenceMs(state, at)),
      links: (["management", "replication"] as const).map((name) => {
        const lastHeardMs = lastHeard(name);
        return { link: name, lastHeardMs, up: lastHeardMs !== null && lastHeardMs < state.config.timers.suspect };
      }),
      episode: episodeView(state, at),
      explanations: explain(state, at),
      restartRefusal: restartRefusal(state, at) ?? null,
      promotionRefusal: promotionRefusal(state, at) ?? null,
      ownVmsRefusal: ownVmsRefusal(state, at) ?? null,
    };
  }

  /** Tells the hands what changed: at once what they wait for, else once a second (four times in an outage). */
  function show(at: number): void {
    const urgent =
      state.activity !== considered.activity ||
      state.durable !== considered.durable ||
      state.suspected !== considered.suspected;
    if (!urgent && at - consideredAt < SNAPSHOT_MS) return;
    considered = state;
    consideredAt = at;
    const text = `${hostState(state)} ${state.durable.epoch} ${serving(state)} ${state.softFenced}`;
    if (text === shown && at - shownAt < (state.suspected ? SNAPSHOT_MS : 1_000)) return;
    shown = text;
    shownAt = at;
    parts.send({ kind: "snapshot", snapshot: snapshot(at) });
  }

  await link.start();
  parts.send({ kind: "ready" });
  let tick: NodeJS.Timeout;
  function turn(): void {
    // A holder that was killed or hangs is nobody's event: the device runs down until a new one feeds it.
    const armed = parts.watchdog?.armed() ?? false;
    if (armed !== state.watchdogArmed) feed({ kind: "watchdog", armed });
    feed({ kind: "tick" });
    if (now() - beatAt >= state.config.timers.hb - TICK_MS / 2) beat();
    tick = setTimeout(turn, isCalm(state) ? CALM_TICK_MS : TICK_MS);
  }
  turn();
  return {
    receive(message) {
      switch (message.kind) {
        case "event":
          return feed(message.event);
        case "keys":
          return link.setKeys(message.keys);
        case "pulse":
          pulseAt = now();
          return;
        case "stop":
          clearTimeout(tick);
          void link.stop();
          return;
      }
    },
  };
}

function isCalm(state: State): boolean {
  return (
    state.peer.contactAt !== null &&
    !state.suspected &&
    state.activity === null &&
    state.solo === null &&
    state.claim === null &&
    state.handover === null &&
    state.handlers.length === 0 &&
    state.commands.length === 0
  );
}

function isInner(action: Action): action is InnerAction {
  switch (action.kind) {
    case "beat":
    case "token":
    case "ask":
    case "answer":
    case "watchdog-arm":
    case "watchdog-disarm":
      return true;
    default:
      return false;
  }
}
