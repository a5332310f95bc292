// One tick of time for two hosts: what their kernels notice, what their daemons decide, what their effects do, what they
// tell one another. The order of the hosts and the speed of each one's hands are choices of the search.

import { happen, NO_ECHO } from "./happening.ts";
import { drbdCode, restCode, VM } from "./host.ts";
import { checkWorld } from "./invariants.ts";
import { kernelTick, perform, write } from "./kernel.ts";
import { otherSide, SIDES, TICK_MS, type Side } from "./scale.ts";
import { GENERATION, type World } from "./world.ts";

/** The choices of one tick, as bits: b goes first; the effects of a, of b end one stage at a time. */
export const ORDER_BIT = 1;
export const slowBit = (side: Side): number => (side === 0 ? 2 : 4);
/** More rounds than any exchange between two healthy daemons takes inside one tick. */
const MAX_ROUNDS = 200;

const ANSWER = { done: 0, refused: 1, silent: 2 } as const;

export class Ticker {
  readonly #world: World;
  /** The code by which a daemon answers the handler of a promotion in progress. */
  #handlerCode: 0 | 1 | 4 | 6 | 7 | null = null;
  /** Sides (as `slowBit`) whose hands did something during the last tick. */
  worked = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Lets one tick pass. */
  tick(choices: number): void {
    this.begin();
    this.finish(choices);
  }

  /** The part of a tick in which there is no choice: time passes, and the kernels notice it. */
  begin(): void {
    const w = this.#world;
    for (const side of SIDES) this.#end(side);
    w.echo[0] = Math.min(NO_ECHO, w.echo[0] + 1);
    w.echo[1] = Math.min(NO_ECHO, w.echo[1] + 1);
    for (const side of SIDES) if (w.facts(side).alive) w.apply(side, happen.age);
    kernelTick(w);
    this.#settlePool();
    this.#check();
  }

  /** The rest of it: who goes first, and whose hands are slow. */
  finish(choices: number): void {
    const w = this.#world;
    this.worked = 0;
    const first: Side = (choices & ORDER_BIT) === 0 ? 0 : 1;
    const order = [first, otherSide(first)] as const;
    for (const side of order) this.#turn(side, (choices & slowBit(side)) !== 0);
    for (let round = 0; ; round++) {
      if (round > MAX_ROUNDS) {
        w.broke("two daemons never come to rest within one tick");
        break;
      }
      let moved = false;
      for (const side of order) {
        moved = this.#deliver(side) || moved;
        if ((choices & slowBit(side)) === 0) moved = this.#hands(side, MAX_ROUNDS) || moved;
      }
      if (!moved) break;
    }
    this.#check();
    w.history?.tick(w);
  }

  /** Who asked a daemon whether it may stop stops it, or switches its host off. */
  #end(side: Side): void {
    const w = this.#world;
    const { ending } = w.facts(side);
    if (ending === null || !w.awake(side)) return;
    w.say(side, ending === "host" ? "is switched off at the end of its shutdown" : "the daemon ends");
    if (ending === "host") w.powerOff(side);
    else w.apply(side, happen.stop);
  }

  /** Tells the daemon what it can see and has not seen yet. */
  observe(side: Side): void {
    const w = this.#world;
    if (!w.awake(side)) return;
    const h = w.host(side);
    const peer = w.host(otherSide(side));
    const newer = w.newerSide();
    const generation = w.generation === GENERATION.apart ? 2 + side : newer === side ? 1 : 0;
    const drbd = drbdCode(h, peer, generation, w.resync > 0);
    if (w.facts(side).drbd !== drbd) this.event(side, happen.drbd(drbd));
    const rest = restCode(h, peer.master, w.vote[side] | (w.management[0] & w.management[1]));
    if (w.facts(side).rest !== rest) this.event(side, happen.rest(rest));
    const knows = w.facts(side).knowsHandler;
    if (h.handler === 1 && !knows) this.event(side, happen.handler);
    if (h.handler === 0 && knows) this.event(side, happen.handlerGone);
  }

  /** Starts the daemon of a host that is on. */
  startDaemon(side: Side): void {
    const w = this.#world;
    w.apply(side, happen.start);
    // The packet filter's driver begins with a clean chain.
    w.host(side).blocked = 0;
    w.echo[0] = NO_ECHO;
    w.echo[1] = NO_ECHO;
    this.observe(side);
  }

  /** Lets something happen to one daemon, and does at once what it asks of its host. */
  event(side: Side, event: number): void {
    const w = this.#world;
    const reaction = w.apply(side, event);
    const h = w.host(side);
    if (w.story !== null) for (const line of reaction.said) w.say(side, line);
    if (reaction.broken !== null) w.broke(reaction.broken);
    if (reaction.token) h.fed = 0;
    if (reaction.alerted) w.history?.alerted(side);
    if (reaction.handlerCode !== 0) this.#answerHandler(side, reaction.handlerCode);
    for (const { slot, ok } of reaction.answers) this.#answer(side, slot, ok);
    for (let at = w.facts(side).question; at >= 0; at = w.facts(side).question) this.#question(side, at);
  }

  #turn(side: Side, slow: boolean): void {
    const w = this.#world;
    if (!w.awake(side)) return;
    const { late } = w.facts(side);
    // A daemon that wakes up runs its timers before it reads what has arrived meanwhile.
    if (!late) this.observe(side);
    this.event(side, happen.tick);
    this.observe(side);
    this.#timeouts(side);
    this.#hands(side, slow ? w.facts(side).effects.length : MAX_ROUNDS);
    this.#beat(side);
  }

  /** Ends effects in their order, at most `limit`. */
  #hands(side: Side, limit: number): boolean {
    const w = this.#world;
    let ended = 0;
    while (ended < limit && w.awake(side) && w.host(side).stuck === 0 && w.facts(side).effects.length > 0) {
      this.endFirstEffect(side, "done");
      ended += 1;
    }
    if (ended === MAX_ROUNDS) w.broke("the effects of one host never end within one tick");
    if (ended > 0) this.worked |= slowBit(side);
    return ended > 0;
  }

  /** The effect asked for first ends: well, without having been done, or done and reported as failed. */
  endFirstEffect(side: Side, how: "done" | "failed" | "failed-after"): void {
    const w = this.#world;
    const first = w.facts(side).out[w.facts(side).effects[0] ?? -1];
    if (first?.kind !== "effect") throw new Error("no effect is outstanding");
    const { effect } = first;
    if (effect.kind === "persist" && effect.record.epoch < 0) w.broke("V6 an epoch goes back");
    const ok = how !== "failed" && perform(w, side, effect, (s) => this.#askHandler(s));
    this.#check();
    w.say(
      side,
      `${effect.kind} ${ok && how === "done" ? "done" : how === "failed-after" ? "done, reported as failed" : "failed"}`,
    );
    this.observe(side);
    this.observe(otherSide(side));
    const at = w.facts(side).effects[0];
    if (at === undefined) return;
    this.event(side, how === "failed-after" ? happen.failedAfter(at) : ok ? happen.done(at) : happen.failed(at));
  }

  /** Effects under way end although nobody hears of it any more (a daemon that dies). */
  endEffectsUnheard(side: Side): void {
    const w = this.#world;
    while (w.facts(side).effects.length > 0) {
      const at = w.facts(side).effects[0] ?? 0;
      const first = w.facts(side).out[at];
      if (first?.kind === "effect") perform(w, side, first.effect, () => 0);
      w.apply(side, happen.stored(at));
      this.#check();
    }
  }

  #beat(side: Side): void {
    const w = this.#world;
    const peer = otherSide(side);
    if (!w.awake(side) || !w.awake(peer) || !w.hears(side)) return;
    const body = w.locals[side].body(w.host(side).local, w.ahead(side), w.locals[peer]);
    w.echo[side] = 0;
    this.event(peer, happen.heartbeat(body, w.echo[peer]));
  }

  #timeouts(side: Side): void {
    const w = this.#world;
    for (;;) {
      const { out, asks } = w.facts(side);
      const at = asks.find((i) => {
        const o = out[i];
        return o?.kind === "ask" && o.ageTicks * TICK_MS > o.timeoutMs;
      });
      if (at === undefined) return;
      const ask = out[at];
      const peer = otherSide(side);
      if (ask?.kind === "ask" && w.facts(peer).alive) w.apply(peer, happen.orphan(ask.slot));
      this.event(side, happen.reply(at, ANSWER.silent));
    }
  }

  #deliver(side: Side): boolean {
    const w = this.#world;
    const peer = otherSide(side);
    const { out, asks } = w.facts(side);
    if (asks.length === 0 || !w.awake(side) || !w.awake(peer) || !w.twoWay()) return false;
    for (const at of asks) {
      const ask = out[at];
      if (ask?.kind !== "ask" || ask.delivered) continue;
      const request = w.locals[peer].request(ask.request, w.ahead(side));
      w.say(side, `asks: ${ask.request.kind}`);
      w.apply(side, happen.delivered(at));
      this.event(peer, happen.request(request, ask.slot));
      return true;
    }
    return false;
  }

  #answer(from: Side, slot: number, ok: boolean): void {
    const w = this.#world;
    const asker = otherSide(from);
    if (!w.awake(asker) || !w.twoWay()) return;
    const { out, asks } = w.facts(asker);
    const at = asks.find((i) => {
      const o = out[i];
      return o?.kind === "ask" && o.slot === slot && o.delivered;
    });
    if (at === undefined) return;
    w.say(from, ok ? "answers: done" : "answers: refused");
    this.event(asker, happen.reply(at, ok ? ANSWER.done : ANSWER.refused));
  }

  #question(side: Side, at: number): void {
    const w = this.#world;
    const question = w.facts(side).out[at];
    if (question?.kind === "round") {
      const there = w.vote[side] === 1;
      const epoch = question.request.epoch - (side === 0 ? 0 : w.delta);
      const said = there ? w.witness.ask(side, { ...question.request, epoch }, question.stamp) : null;
      if (question.request.kind !== "query") w.say(side, `the witness: ${said?.refusal ?? question.request.kind}`);
      this.event(side, happen.witness(w.locals[side].answer(said), at));
      return;
    }
    if (question?.kind === "sample") {
      this.event(side, happen.sample(at, w.vote[side] === 1));
      return;
    }
    const reachable = w.kernelAlive(otherSide(side)) && w.twoWay();
    this.event(side, happen.probe(at, reachable, reachable && w.host(otherSide(side)).vip === 1));
  }

  #answerHandler(side: Side, code: 1 | 4 | 6 | 7): void {
    const w = this.#world;
    if (this.#handlerCode !== null) {
      this.#handlerCode = code;
      return;
    }
    const h = w.host(side);
    h.handler = 0;
    if ((code === 4 || code === 7) && h.conn !== 1) {
      h.peerOutdated = 1;
      h.suspended = 0;
    }
    if (code === 6 && h.conn !== 1) h.disk = Math.min(h.disk, 2);
    this.#check();
    this.observe(side);
  }

  #askHandler(side: Side): 0 | 1 | 4 | 6 | 7 {
    this.#handlerCode = 0;
    this.event(side, happen.handler);
    const code = this.#handlerCode;
    this.#handlerCode = null;
    if (this.#world.facts(side).knowsHandler) this.event(side, happen.handlerGone);
    return code;
  }

  /** The invariants on the world as it is, and what the daemons see of it. */
  look(): void {
    this.#check();
    for (const side of SIDES) this.observe(side);
  }

  #check(): void {
    write(this.#world);
    checkWorld(this.#world);
  }

  /** What people and toolstacks do in a healthy pool: one master, every VM runs, at home. */
  #settlePool(): void {
    const w = this.#world;
    const calm = SIDES.every((s) => w.awake(s) && w.facts(s).contact && w.facts(s).out.length === 0);
    if (!calm) return;
    const server = SIDES.find((s) => w.serves(s));
    if (server === undefined) return;
    const [a, b] = w.hosts;
    if (a.master === 1 && b.master === 1) w.host(otherSide(server)).master = 0;
    if (w.host(server).barred === 1) return;
    if (b.vmA !== VM.paused && a.vmA !== VM.paused) [a.vmA, b.vmA] = [VM.running, VM.absent];
    if (b.vmB !== VM.paused && a.vmB !== VM.paused) [a.vmB, b.vmB] = [VM.absent, VM.running];
  }
}
