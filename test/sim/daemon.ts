// The daemon of a simulated host: the real `step` behind a clock of its own, heartbeats, the control RPC and timers.

import type { Event } from "../../src/core/model/event.ts";
import type { PeerReply, PeerRequest } from "../../src/core/model/peer.ts";
import { initialState } from "../../src/core/model/state.ts";
import type { Action } from "../../src/core/plan/action.ts";
import { step } from "../../src/core/step.ts";
import { checkAction, checkStep, checkWorld } from "./checks.ts";
import { answerHandler, observeDrbd } from "./drbd.ts";
import { cutWrite, startEffect } from "./effects.ts";
import { beat } from "./heartbeats.ts";
import { LINKS, onSwitch, reachesGateway, talks } from "./network.ts";
import { observeDomains, observeTarget, observeVip, observeXapi } from "./observe.ts";
import { other } from "./settings.ts";
import {
  awake,
  freshSession,
  freshTarget,
  targetHangs,
  type Host,
  type ReplyTo,
  type Silent,
  type Sim,
} from "./sim.ts";
import { feedWatchdog, frozen, localNow } from "./stage.ts";
import { askWitness } from "./witness.ts";

const VIP_LOOK_MS = 1_000;
const TARGET_AGAIN_MS = 2_000;
/** Period of the question and the driver's deadline for its answer. */
const TARGET_ASKED_MS = 3_000;
const DOMAINS_LOOK_MS = 10_000;
const XAPI_LOOK_MS = 5_000;

export interface Daemons {
  feed(host: Host, event: Event): void;
  start(host: Host): void;
  kill(host: Host): void;
  /** The brain sleeps until then; what comes meanwhile waits for it. */
  stall(host: Host, until: number): void;
}

export function createDaemons(sim: Sim): Daemons {
  const pending = new Map<number, ReplyTo>();

  function feed(h: Host, event: Event): void {
    if (h.state === null || !h.power) return;
    if (!awake(sim, h)) {
      if (event.kind !== "tick") later(h, () => feed(h, event));
      return;
    }
    const before = h.state;
    const { state, actions } = step(before, event, localNow(sim, h));
    sim.steps += 1;
    h.state = state;
    checkStep(sim, h, before, state, event);
    for (const action of actions) perform(h, action);
    if (before.durable !== state.durable || before.activity?.kind !== state.activity?.kind) beat(sim, h);
    checkWorld(sim);
    sim.stepped(h);
  }

  /** Keeps it for the brain's awakening; a daemon that died meanwhile does not see it. */
  function later(h: Host, run: () => void): void {
    const { daemons } = h;
    if (h.inbox.length < 2_000) h.inbox.push(() => (h.daemons === daemons ? run() : undefined));
  }

  function perform(h: Host, action: Action): void {
    checkAction(sim, h, action);
    switch (action.kind) {
      case "log":
        return sim.note(h.name, action.event, action.detail);
      case "alert":
        h.alertedAt = sim.now;
        return sim.note(h.name, "alert.raised", action.text);
      case "alert-over":
        return sim.note(h.name, "alert.cleared", action.id);
      case "kick-initiators":
        return;
      case "withdraw-fence":
        return void h.withdrawn.add(action.id);
      case "look-at-domains":
        return sim.after(20, () => observeDomains(sim, h));
      case "beat":
        return beat(sim, h);
      case "token":
        return feedWatchdog(sim, h);
      case "command-reply":
        sim.replies.push({ host: h.name, action });
        return sim.note(h.name, `reply.${action.outcome}`, action.text);
      case "answer-handler":
        return sim.after(10, () => answerHandler(sim, h, action.resource, action.handler, action.code));
      case "sample":
        return sim.after(sim.noisy ? sim.random.between(1, 120) : 60, () =>
          feed(h, { kind: "sample", id: action.id, passed: everyHeuristicAnswers(h) }),
        );
      case "ask-witness":
        return askWitness(sim, h, action);
      case "probe":
        return probe(h, action.id);
      case "ask":
        return ask(h, action.id, action.request, action.timeoutMs);
      case "answer": {
        const resolve = pending.get(action.id);
        pending.delete(action.id);
        return resolve?.(action.reply);
      }
      default:
        return startEffect(sim, h, action);
    }
  }

  /** True of an empty list too: that this proves nothing is the decision function's business (A3). */
  const everyHeuristicAnswers = (h: Host): boolean =>
    h.config.heuristics.every(() => reachesGateway(sim.network, h.name));

  function probe(h: Host, id: number): void {
    const peer = sim.hosts[other(h.name)];
    sim.after(sim.noisy ? sim.random.between(5, 300) : 200, () => {
      const alive = peer.power && !frozen(sim, peer);
      const seen = alive && LINKS.some((link) => talks(sim.network, link));
      const vipSeen = alive && peer.vip && talks(sim.network, "replication");
      const vip = vipSeen || sim.vipConflict;
      feed(h, {
        kind: "probe",
        id,
        peer: seen ? "answered" : "silent",
        vip: vip ? "answered" : "free",
        mac: vipSeen ? "peer" : sim.vipConflict ? "third" : null,
        ...(readsOff(h, peer) ? { power: "off" } : {}),
      });
    });
  }

  /** Only a host with a fence device that is not the owner asks it (src/daemon/perform.ts). */
  const readsOff = (h: Host, peer: Host): boolean =>
    h.config.policy.startsWith("strict") &&
    h.state?.durable.owner !== h.name &&
    onSwitch(sim.network, h.name) &&
    (sim.bmc[peer.name] === "ok" || sim.bmc[peer.name] === "lies") &&
    !peer.power;

  /** On both networks at once, again and again until the deadline; the server runs a request once. */
  function ask(h: Host, id: number, request: PeerRequest, timeoutMs: number): void {
    const peer = sim.hosts[other(h.name)];
    const { daemons } = h;
    const deadline = sim.now + timeoutMs;
    let settled = false;
    let running = 0;
    let reply: PeerReply | null = null;
    const settle = (outcome: PeerReply | Silent): void => {
      if (settled) return;
      settled = true;
      if (h.daemons === daemons) feed(h, { kind: "reply", id, reply: outcome });
    };
    const reachable = (): boolean => LINKS.some((link) => talks(sim.network, link));
    // A lost segment is sent again by TCP, later than the next attempt here.
    const lost = (): boolean => LINKS.every((link) => sim.random.chance(sim.network.quality[link].loss));
    const way = (): number => (sim.noisy ? sim.random.between(1, 6) : 2);
    const attempt = (): void => {
      if (settled || sim.now >= deadline || h.daemons !== daemons || !h.power) return;
      sim.after(150, attempt);
      if (!reachable() || !awake(sim, peer) || lost()) return;
      if (reply !== null && running === peer.daemons) return settle(reply);
      if (running === peer.daemons) return;
      // A daemon that was restarted has forgotten the request and runs it again.
      running = peer.daemons;
      const requestId = sim.nextId++;
      pending.set(requestId, (answer) => {
        if (peer.daemons !== running) return;
        reply = answer;
        sim.after(way(), () => {
          if (reachable()) settle(answer);
        });
      });
      feed(peer, { kind: "request", id: requestId, request });
    };
    sim.after(way(), attempt);
    sim.after(timeoutMs, () => settle({ kind: "silent", reason: "no answer" }));
  }

  function start(h: Host): void {
    if (!h.power || h.state !== null) return;
    if (h.disk.damaged) return sim.note(h.name, "daemon.refused", "the durable record is damaged");
    h.daemons += 1;
    h.laneFreeAt.clear();
    h.inbox = [];
    h.withdrawn.clear();
    h.session = freshSession(sim.nextId++, sim.nextId++);
    h.state = initialState(
      h.config,
      h.disk.record,
      `boot-${h.name}-${h.boots}`,
      h.daemons,
      localNow(sim, h),
      h.exchanged,
    );
    h.exchanged = false;
    observeDrbd(sim, h);
    observeTarget(sim, h);
    observeVip(sim, h);
    observeDomains(sim, h);
    observeXapi(sim, h);
    feed(h, { kind: "watchdog", armed: h.watchdog.armed });
    for (const resource of sim.resources) {
      for (const { id } of h.sides[resource]?.handlers ?? []) feed(h, { kind: "handler", resource, handler: id });
    }
    const { daemons } = h;
    const every = (ms: number, run: () => void): void => {
      const round = (): void => {
        if (h.daemons !== daemons || h.state === null || !h.power) return;
        run();
        sim.after(ms, round);
      };
      sim.after(ms, round);
    };
    every(sim.tickMs, () => tick(h));
    every(VIP_LOOK_MS, () => observeVip(sim, h));
    let silent = 0;
    every(TARGET_ASKED_MS, () => {
      // As daemon/target-watch: asked like an initiator does, and ended when it stays silent.
      silent = h.target.filled && targetHangs(sim, h) ? silent + 1 : 0;
      if (silent < 2 || h.targetDeep) return;
      h.target = freshTarget();
      h.targetUntil = sim.now;
      feed(h, { kind: "target-died", detail: "ended: it gave no answer" });
    });
    every(TARGET_AGAIN_MS, () => {
      if (h.state?.target.kind === "unknown") observeTarget(sim, h);
    });
    every(DOMAINS_LOOK_MS, () => observeDomains(sim, h));
    every(XAPI_LOOK_MS, () => observeXapi(sim, h));
  }

  const management = { a: true, b: true };
  function tick(h: Host): void {
    if (!awake(sim, h)) return;
    if (h.inbox.length > 0) wake(h);
    feed(h, { kind: "tick" });
    if (sim.now - h.beatAt >= h.config.timers.hb - sim.tickMs / 2) beat(sim, h);
    const up = onSwitch(sim.network, h.name);
    if (up !== h.state?.management && up !== management[h.name]) feed(h, { kind: "management", up });
    management[h.name] = up;
  }

  /** Timers first, or what waited at the sockets first: both happen. */
  function wake(h: Host): void {
    const waited = h.inbox;
    h.inbox = [];
    if (!sim.noisy || sim.random.chance(0.5)) feed(h, { kind: "tick" });
    for (const run of waited) run();
  }

  return {
    feed,
    start,
    kill(h) {
      h.exchanged = h.state?.stopping?.phase === "agreed";
      if (h.state !== null) cutWrite(sim, h);
      h.state = null;
      h.inbox = [];
    },
    stall(h, until) {
      h.stalledUntil = Math.max(h.stalledUntil, until);
    },
  };
}
