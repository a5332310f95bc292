// The pool's part of a daemon: the real `poolStep` behind a clock of its own, and beats through the real sessions
// (drivers/peer/session). On a storage host it lives and dies with the pair's daemon and hears its facts before anything else.

import type { HeardBeat, MemberBeat, PairFacts, PoolAction, PoolEvent } from "../../../src/core/pool/model.ts";
import { beatFor } from "../../../src/core/pool/beats.ts";
import { initialPoolState } from "../../../src/core/pool/initial.ts";
import { pairFacts } from "../../../src/core/pool/pair.ts";
import { poolStep } from "../../../src/core/pool/step.ts";
import { createPeerSession, type PeerSession } from "../../../src/drivers/peer/session.ts";
import type { Link } from "../../../src/core/model/peer.ts";
import { copies, passes } from "../network.ts";
import { feedWatchdog, localNow, unstalled } from "../stage.ts";
import { checkPoolAction, checkPoolStep, checkPoolWorld } from "./checks.ts";
import { startPoolEffect } from "./effects.ts";
import { observeMemberDomains, observeRole } from "./observe.ts";
import { memberOf, qualityOf, reaches, withCore, type Member, type PoolSim } from "./members.ts";

/** As daemon/pool-brain. */
const TICK_MS = 250;
const LOOK_MS = 1_000;
const XAPI_LOOK_MS = 5_000;

export interface PoolDaemons {
  feed(member: Member, event: PoolEvent): void;
  start(member: Member): void;
  kill(member: Member): void;
  /** The pair's decision had a turn. */
  moved(member: Member): void;
}

export function createPoolDaemons(pool: PoolSim): PoolDaemons {
  const { stage } = pool;

  function feed(m: Member, event: PoolEvent): void {
    if (m.state === null || !m.machine.power) return;
    if (!unstalled(stage, m.machine)) {
      const { lives } = m;
      if (event.kind !== "tick" && m.inbox.length < 2_000)
        m.inbox.push(() => (m.lives === lives ? feed(m, event) : undefined));
      return;
    }
    refresh(m);
    turn(m, event);
  }

  /** Before anything else is decided: after a stall what the pair said last may be long past. */
  function refresh(m: Member): void {
    if (m.pair === null || m.pair.state === null || m.state === null) return;
    const core = m.pair.config;
    if (core.cfgHash !== m.config.cfgHash || core.timers !== m.config.timers) {
      m.config = withCore(m.config, core);
      turn(m, { kind: "config", config: m.config });
    }
    const facts = pairFacts(m.pair.state, localNow(stage, m.machine));
    const before = m.state.pair;
    const isNews =
      before === null || (Object.keys(facts) as (keyof PairFacts)[]).some((key) => facts[key] !== before[key]);
    if (isNews) turn(m, { kind: "pair", facts });
  }

  function turn(m: Member, event: PoolEvent): void {
    const before = m.state;
    if (before === null) return;
    const now = localNow(stage, m.machine);
    const { state, actions } = poolStep(before, event, now);
    stage.steps += 1;
    m.state = state;
    m.shownAt = now;
    checkPoolStep(pool, m, before, state, event);
    for (const action of actions) perform(m, action);
    checkPoolWorld(pool);
  }

  function perform(m: Member, action: PoolAction): void {
    const { name } = m.machine;
    checkPoolAction(pool, m, action);
    switch (action.kind) {
      case "log":
        return stage.note(name, action.event, action.detail);
      case "alert":
        return stage.note(name, "alert.raised", action.text);
      case "alert-over":
        return stage.note(name, "alert.cleared", action.id);
      case "command-reply":
        if (action.outcome === "done" && action.text.startsWith("maintenance"))
          m.maintained = /is on/.test(action.text);
        return stage.note(name, `reply.${action.outcome}`, action.text);
      case "beat":
        return send(m, memberOf(pool, action.to), action.asks);
      case "token":
        return feedWatchdog(stage, m.machine);
      default:
        return startPoolEffect(pool, m, action);
    }
  }

  function sessionWith(m: Member, other: string): PeerSession<MemberBeat> {
    const before = m.sessions.get(other);
    if (before !== undefined) return before;
    const session = createPeerSession<MemberBeat>({
      poolId: "pool",
      hostId: m.machine.name,
      peerId: other,
      bootId: `boot-${m.machine.name}-${m.machine.boots}`,
      incarnation: m.lives,
      newNonce: () => `nonce-${stage.nextId++}`,
    });
    m.sessions.set(other, session);
    return session;
  }

  /** One beat, on every network that both are on. */
  function send(m: Member, to: Member, asks: boolean): void {
    if (m.state === null) return;
    const now = localNow(stage, m.machine);
    const body = beatFor(m.state, to.machine.name, asks, now);
    const session = sessionWith(m, to.machine.name);
    const post = (link: Link, delays: readonly number[]): void => {
      const packet = session.outgoing(link, body, now);
      for (const delay of delays) stage.after(delay, () => arrive(to, m.machine.name, link, packet));
    };
    const { world } = pool;
    if (reaches(pool, m, to)) post("management", copies(qualityOf(pool, m, to), stage.random));
    if (world === null || m.pair === null || to.pair === null) return;
    if (passes(world.network, "replication", m.pair.name))
      post("replication", copies(world.network.quality.replication, stage.random));
  }

  function arrive(m: Member, from: string, link: Link, packet: ReturnType<PeerSession<MemberBeat>["outgoing"]>): void {
    if (m.state === null || !m.machine.power) return;
    if (!unstalled(stage, m.machine)) {
      const { lives } = m;
      if (m.inbox.length < 2_000) m.inbox.push(() => (m.lives === lives ? arrive(m, from, link, packet) : undefined));
      return;
    }
    const incoming = sessionWith(m, from).incoming(packet, link, localNow(stage, m.machine));
    if (incoming.kind === "dropped") return;
    const { body, echoSentAt, receivedAt } = incoming.heard;
    const heard: HeardBeat = { body, echoSentAt, receivedAt };
    feed(m, { kind: "beat", heard });
  }

  function start(m: Member): void {
    const { machine, pair } = m;
    if (!machine.power || m.state !== null) return;
    m.lives = pair?.daemons ?? m.lives + 1;
    m.laneFreeAt.clear();
    m.inbox = [];
    m.sessions = new Map();
    m.ranAt = new Map();
    const begin = {
      config: m.config,
      durable: pair?.disk.record ?? m.disk.record,
      bootId: `boot-${machine.name}-${machine.boots}`,
      incarnation: m.lives,
    };
    m.state = initialPoolState(begin, localNow(stage, machine));
    m.shownAt = localNow(stage, machine);
    if (pair === null) feed(m, { kind: "watchdog", armed: machine.watchdog.armed });
    observeMemberDomains(pool, m);
    observeRole(pool, m);
    const { lives } = m;
    const every = (ms: number, run: () => void): void => {
      const round = (): void => {
        if (m.lives !== lives || m.state === null || !machine.power) return;
        run();
        stage.after(stage.noisy ? ms * stage.random.between(0.95, 1.05) : ms, round);
      };
      stage.after(ms, round);
    };
    every(TICK_MS, () => tick(m));
    every(LOOK_MS, () => observeMemberDomains(pool, m));
    every(XAPI_LOOK_MS, () => observeRole(pool, m));
  }

  function tick(m: Member): void {
    if (!unstalled(stage, m.machine)) return;
    if (m.inbox.length > 0) {
      // Timers first, or what waited at the sockets first: both happen.
      const waited = m.inbox;
      m.inbox = [];
      if (!stage.noisy || stage.random.chance(0.5)) feed(m, { kind: "tick" });
      for (const run of waited) run();
    }
    feed(m, { kind: "tick" });
  }

  return {
    feed,
    start,
    kill(m) {
      m.state = null;
      m.inbox = [];
    },
    moved(m) {
      if (m.state !== null && unstalled(stage, m.machine)) refresh(m);
    },
  };
}
