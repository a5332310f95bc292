// The brain: runs the decision function, beats to the peer, feeds the watchdog. Lives in its own worker thread so that a
// slow disk or child process of the hands never looks like a dead host. No file and no child process in here.

import { performance } from "node:perf_hooks";
import { evidence } from "../../core/evidence.ts";
import { explain } from "../../core/explain.ts";
import { heartbeatOf } from "../../core/heartbeat.ts";
import { inContact, leaseLeftMs, notEligible, serving, silenceMs } from "../../core/facts.ts";
import { ownVmsRefusal } from "../../core/decide/own-vms.ts";
import { pairFacts } from "../../core/pool/pair.ts";
import { promotionRefusal, restartRefusal } from "../../core/decide/recovery.ts";
import type { Event } from "../../core/model/event.ts";
import type { Link } from "../../core/model/peer.ts";
import { initialState, type State } from "../../core/model/state.ts";
import { episodeView, hostState, outcome } from "../../core/view.ts";
import { step } from "../../core/step.ts";
import type { Action } from "../../core/plan/action.ts";
import type { PeerLink, PeerLinkOptions } from "../../drivers/peer/port.ts";
import type { WatchdogPort } from "../../drivers/watchdog/port.ts";
import { startPoolBrain, type PoolBrainParts } from "./pool-brain.ts";
import type { BrainStart, FromBrain, InnerAction, OuterAction, Snapshot, ToBrain } from "./messages.ts";
import { isNews, isUrgent } from "./news.ts";
import { beatPulse, watchPulse } from "./pulse.ts";
import { createTurnTimes } from "./turn-times.ts";

const LINKS: readonly Link[] = ["management", "replication"];
const TICK_MS = 50;
/** The hands must have shown a pulse this recently for a token to go out: a hung executor must not look healthy. */
const PULSE_MS = 2_000;
/** News are looked for this often; in an outage everything counts as news, because the time left is. */
const NEWS_MS = 250;
/** Without news the hands hear this often how things stand. */
const NO_NEWS_MS = 10_000;

export interface BrainParts {
  readonly link: (options: PeerLinkOptions) => PeerLink;
  readonly memberLink: PoolBrainParts["link"];
  readonly watchdog: WatchdogPort | null;
  readonly send: (message: FromBrain) => void;
}

export interface Brain {
  receive(message: ToBrain): void;
}

export async function startBrain(start: BrainStart, parts: BrainParts): Promise<Brain> {
  const now = (): number => performance.now();
  let state: State = initialState(start.config, start.durable, start.bootId, start.incarnation, now(), start.exchanged);
  const hands = watchPulse(start.pulses, "hands", now());
  let handsSilentMs = 0;
  let beatAt = 0;
  let shown = state;
  let shownContact = "";
  let shownAt = -Infinity;
  let consideredAt = -Infinity;
  const replies = new Map<number, (answer: { kind: "done" } | { kind: "refused"; reason: string }) => void>();
  let nextRequest = 1;
  const turnTimes = createTurnTimes();

  const link = parts.link({
    poolId: start.config.poolId,
    hostId: start.config.hostId,
    peerId: start.config.peerId,
    bootId: start.bootId,
    incarnation: start.incarnation,
    addresses: start.addresses,
    keys: start.keys,
    now,
    onHeartbeat: (heard) => feed({ kind: "heartbeat", heard }, heard.receivedAt),
    onRequest: (request, reply) => {
      const id = nextRequest++;
      replies.set(id, reply);
      feed({ kind: "request", id, request });
    },
    beatMs: () => state.config.timers.hb,
    onDropped: (reason, count) => parts.send({ kind: "dropped", reason, count }),
  });

  function feed(event: Event, at = now()): void {
    const before = state;
    const { state: next, actions } = step(state, event, at);
    state = next;
    const outer: OuterAction[] = [];
    for (const action of actions) {
      if (isInner(action)) inner(action);
      else outer.push(action);
    }
    if (outer.length > 0) parts.send({ kind: "actions", actions: outer });
    pool?.pairMoved();
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
        if (handsSilentMs < PULSE_MS) parts.watchdog?.token();
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

  function beat(at = now()): void {
    beatAt = at;
    link.beat(heartbeatOf(state, beatAt));
  }

  function isUp(at: number, name: Link): boolean {
    const heardAt = state.peer.linkContactAt[name];
    return heardAt !== null && at - heardAt < state.config.timers.suspect;
  }

  function snapshot(at: number): Snapshot {
    return {
      state,
      hostState: hostState(state),
      outcome: outcome(state, at),
      serving: serving(state),
      eligible: notEligible(state, at) === undefined,
      inContact: inContact(state, at),
      silenceMs: state.peer.contactAt === null ? null : Math.round(silenceMs(state, at)),
      links: LINKS.map((link) => {
        const heardAt = state.peer.linkContactAt[link];
        return { link, lastHeardMs: heardAt === null ? null : Math.round(at - heardAt), up: isUp(at, link) };
      }),
      episode: episodeView(state, at),
      evidence: state.suspected ? evidence(state, at) : null,
      explanations: explain(state, at),
      restartRefusal: restartRefusal(state, at) ?? null,
      promotionRefusal: promotionRefusal(state, at) ?? null,
      ownVmsRefusal: ownVmsRefusal(state, at) ?? null,
      counts: { leaseLeftMs: leaseLeftMs(state, at), links: link.counters(), turns: turnTimes.counters() },
    };
  }

  /** Tells the hands what changed: at once what they wait for. */
  function show(at: number): void {
    const urgent = isUrgent(shown, state);
    if (!urgent && at - consideredAt < NEWS_MS) return;
    consideredAt = at;
    const contact = `${inContact(state, at)} ${LINKS.map((link) => isUp(at, link)).join(" ")}`;
    if (urgent || state.suspected || at - shownAt >= NO_NEWS_MS || contact !== shownContact || isNews(shown, state)) {
      shownContact = contact;
      tell(at);
    }
  }

  function tell(at: number): void {
    shown = state;
    shownAt = at;
    parts.send({ kind: "snapshot", snapshot: snapshot(at) });
  }

  /** While the peer answers and nothing is under way a turn for each of our own heartbeats is enough. */
  function untilNextTurn(at: number): number {
    const { hb } = state.config.timers;
    return isCalm(state, at) ? Math.max(1, beatAt + hb - at) : TICK_MS;
  }

  // Before the first beat: what the pair decides the pool must hear of.
  const pool =
    start.pool === null
      ? null
      : await startPoolBrain(start.pool, {
          link: parts.memberLink,
          watchdog: null,
          handsAlive: () => hands.silentMs(now()) < PULSE_MS,
          pair: () => pairFacts(state, now()),
          send: parts.send,
        });
  await link.start();
  parts.send({ kind: "ready" });
  let tick: NodeJS.Timeout;
  let uneasy = false;
  /** Said once per lateness, half-way to an outage: its first vote sample then finds answers that were counted already. */
  function sayUneasy(at: number): void {
    const { contactAt } = state.peer;
    const late = contactAt !== null && at - contactAt >= state.config.timers.suspect / 2;
    if (late && !uneasy) parts.send({ kind: "uneasy" });
    uneasy = late;
  }
  function turn(): void {
    // A holder that was killed or hangs is nobody's event: the device runs down until a new one feeds it.
    const armed = parts.watchdog?.armed() ?? false;
    if (armed !== state.watchdogArmed) feed({ kind: "watchdog", armed });
    const at = now();
    handsSilentMs = hands.silentMs(at);
    feed({ kind: "tick" }, at);
    beatPulse(start.pulses, "brain");
    sayUneasy(at);
    if (at - beatAt >= state.config.timers.hb - TICK_MS / 2) beat(at);
    turnTimes.took(at, now());
    tick = setTimeout(turn, untilNextTurn(at));
  }
  turn();
  return {
    receive(message) {
      switch (message.kind) {
        case "event":
          if (message.event.kind === "domains" || message.event.kind === "xapi") pool?.feed(message.event);
          return feed(message.event);
        case "pool-event":
          return pool?.feed(message.event);
        case "keys":
          pool?.setKeys(message.keys);
          return link.setKeys(message.keys);
        case "show":
          return tell(now());
        case "stop":
          clearTimeout(tick);
          void pool?.stop();
          void link.stop();
          return;
      }
    },
  };
}

function isCalm(state: State, at: number): boolean {
  return (
    state.peer.contactAt !== null &&
    at - state.peer.contactAt < 1.5 * state.config.timers.hb &&
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
