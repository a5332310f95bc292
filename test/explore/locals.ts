// The software of one host as numbered states, and the real `step` as a remembered table over them. Two hosts meet in
// millions of combinations, but each alone has far fewer states: `step` runs once per (state, event) and is looked up
// from then on. That is what makes the search fast; nothing of the function is left out by it.

import { inContact } from "../../src/core/facts.ts";
import { heartbeatOf } from "../../src/core/heartbeat.ts";
import { promotionRefusal, restartRefusal } from "../../src/core/decide/recovery.ts";
import type { CoreConfig } from "../../src/core/model/config.ts";
import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { HeartbeatBody, PeerRequest } from "../../src/core/model/peer.ts";
import type { WitnessAnswer } from "../../src/core/model/witness.ts";
import { initialState, type State } from "../../src/core/model/state.ts";
import { brokenBy } from "./decisions.ts";
import { BLIND, canonical, type Local, type Outstanding } from "./canonical.ts";
import { shiftBody, shiftRequest, type Kept } from "./frame.ts";
import { happen, type Happened, type Happening } from "./happening.ts";
import { Blocks, Leaves } from "./intern.ts";
import { firstRecord, TICK_MS } from "./scale.ts";
import { Ints, PairMap } from "./tables.ts";

/** What the world must do at once after an event. */
export interface Reaction {
  /** The watchdog is fed. */
  readonly token: boolean;
  /** A person is told of something. */
  readonly alerted: boolean;
  /** The fence-peer handler is answered with this code; 0 = it is not. */
  readonly handlerCode: 0 | 1 | 4 | 6 | 7;
  readonly answers: readonly { readonly slot: number; readonly ok: boolean }[];
  /** What the decision itself broke (V5, V7), seen when it was taken. */
  readonly broken: string | null;
  /** The log, kept for traces only. */
  readonly said: readonly string[];
}

/** What an event has for the world: how far the host's epochs went on, and what is to be done. */
export interface Outcome {
  readonly shift: number;
  readonly reaction: Reaction;
}

/** What a host waits for, and where in `out` it is. */
interface Waits {
  readonly out: readonly Outstanding[];
  /** A sample, a probe or a question to the witness that waits for its answer; -1 = none. */
  readonly question: number;
  readonly effects: readonly number[];
  readonly asks: readonly number[];
}

/** What the world needs to know of a local state, looked up by its number. */
export interface LocalFacts extends Waits {
  readonly alive: boolean;
  /** Of the record on the host's disk. */
  readonly owner: string | null;
  readonly ha: DurableRecord["ha"];
  readonly manual: boolean;
  /** Codes of host.ts that the daemon saw last; -1 = never looked. */
  readonly drbd: number;
  readonly rest: number;
  readonly knowsHandler: boolean;
  /** The daemon left a tick out. */
  readonly late: boolean;
  readonly contact: boolean;
  /** A command of an operator is under way. */
  readonly commanded: boolean;
  /** A13: the host shuts down. */
  readonly leaves: boolean;
  /** The daemon answered who wants to stop it, or its host: what happens next is its end. */
  readonly ending: "daemon" | "host" | null;
  /** What the executor asks again before each start of a VM and before the toolstack's promotion. */
  readonly mayRestart: boolean;
  readonly mayPromote: boolean;
}

/** Told of every local state and event that was really computed, not recalled. */
export type OnComputed = (local: Local, happening: Happening, config: CoreConfig) => void;

export interface LocalsOptions {
  /** What is logged is kept, for traces. */
  readonly verbose: boolean;
  /** What was told to people, and since when it is so, tells states apart (V10). */
  readonly alarms: boolean;
  /** Milliseconds of this host's clock in a tick. */
  readonly tickMs: number;
  readonly onComputed: OnComputed | null;
}

/** In the place of every field of a daemon that is down. */
const NO_DAEMON = "no daemon";
/** Leaves of a local state besides the daemon's memory: disk, outstanding, told twice. */
const OTHER_LEAVES = 4;
/** States at hand that need not be put together again; a power of two. */
const RECENT = 1 << 14;
const QUIET: Reaction = { token: false, alerted: false, handlerCode: 0, answers: [], broken: null, said: [] };

export class Locals {
  readonly config: CoreConfig;
  readonly #options: LocalsOptions;
  readonly #leaves = new Leaves();
  readonly #kept: Kept = (value) => this.#leaves.keeps(value);
  /** The local states: row by row the leaves of one. */
  readonly #rows: Blocks;
  /** Fields of a daemon's memory, in the order of their leaves. */
  readonly #fields: readonly (keyof State)[];
  readonly #peerAt: number;
  readonly #template: State | null;
  /** Leaves of the newest state. */
  readonly #row: Int32Array;
  /** Per local state: its facts, its heartbeat. */
  readonly #factsOf: LocalFacts[] = [];
  readonly #bodyOf = new Ints();
  readonly #recent: ({ readonly id: number; readonly local: Local } | undefined)[] = Array.from({ length: RECENT });
  readonly #facts = new Map<string, LocalFacts>();
  readonly #waits = new Map<readonly Outstanding[], Waits>();
  /** (local state, event) to what follows: the next local state, and one of few outcomes. */
  readonly #memo = new PairMap();
  readonly #outcomeList: Outcome[] = [];
  readonly #outcomeNumbers = new Map<string, number>();
  readonly #bodies: HeartbeatBody[] = [];
  readonly #bodyNumbers = new Map<string, number>();
  readonly #requests: PeerRequest[] = [];
  readonly #requestNumbers = new Map<string, number>();
  readonly #answers: (WitnessAnswer | null)[] = [];
  readonly #answerNumbers = new Map<string, number>();
  readonly #shifted = new PairMap();
  /** Real calls of the decision function; events that were computed, and those answered from memory. */
  steps = 0;
  computed = 0;
  recalled = 0;

  constructor(config: CoreConfig, options: LocalsOptions) {
    this.config = config;
    this.#options = options;
    const disk = firstRecord(0);
    const { state } = canonical(
      { state: initialState(config, disk, "boot", 1, 0), disk, out: [], told: BLIND },
      0,
    ).local;
    // A state's own names are the keys of its type; every representative is made in one place, with one order of them.
    this.#fields = Object.keys(state ?? {}) as (keyof State)[];
    this.#template = state;
    this.#peerAt = this.#fields.indexOf("peer");
    this.#row = new Int32Array(this.#fields.length + OTHER_LEAVES);
    this.#rows = new Blocks(this.#row.length);
  }

  get count(): number {
    return this.#factsOf.length;
  }

  facts(id: number): LocalFacts {
    const facts = this.#factsOf[id];
    if (facts === undefined) throw new RangeError(`no local state has the number ${id}`);
    return facts;
  }

  /** A host whose daemon is down, with this record on its disk. */
  down(disk: DurableRecord): number {
    return this.#intern({ state: null, disk, out: [], told: BLIND }, 0).id;
  }

  /** Lets `event` (a code of happening.ts) happen to local state `id`; what follows, for `next` and `outcome` at once. */
  after(id: number, event: number): number {
    const known = this.#memo.find(id, event);
    if (known < 0) return this.#compute(id, event);
    this.recalled += 1;
    return known;
  }

  next(follows: number): number {
    return this.#memo.first(follows);
  }

  outcome(follows: number): Outcome {
    const outcome = this.#outcomeList[this.#memo.second(follows)];
    if (outcome === undefined) throw new RangeError(`nothing follows with the number ${follows}`);
    return outcome;
  }

  #compute(id: number, event: number): number {
    const happening = happen.read(event, { bodies: this.#bodies, requests: this.#requests, answers: this.#answers });
    const local = this.read(id);
    this.computed += 1;
    this.#options.onComputed?.(local, happening, this.config);
    const after = happen.apply(local, happening, this.config, this.#options.tickMs);
    this.steps += after.steps;
    const { id: next, shift } = this.#intern(after.local, after.now);
    return this.#memo.add(id, event, next, this.#outcome(shift, this.#react(after)));
  }

  #outcome(shift: number, reaction: Reaction): number {
    const key = `${shift} ${reaction === QUIET ? "" : JSON.stringify(reaction)}`;
    let number = this.#outcomeNumbers.get(key);
    if (number === undefined) {
      number = this.#outcomeList.push({ shift, reaction }) - 1;
      this.#outcomeNumbers.set(key, number);
    }
    return number;
  }

  #react({ local: { state, disk }, actions, now }: Happened): Reaction {
    let reaction = QUIET;
    for (const action of actions) {
      const broken = state === null ? null : brokenBy(action, state, disk, now);
      if (broken !== null) reaction = { ...reaction, broken };
      if (action.kind === "token") reaction = { ...reaction, token: true };
      else if (action.kind === "alert") reaction = { ...reaction, alerted: this.#options.alarms };
      else if (action.kind === "answer-handler") reaction = { ...reaction, handlerCode: action.code };
      else if (action.kind === "answer") {
        const answer = { slot: action.id, ok: action.reply.kind === "done" };
        reaction = { ...reaction, answers: [...reaction.answers, answer] };
      } else if (this.#options.verbose && action.kind === "log")
        reaction = { ...reaction, said: [...reaction.said, `${action.event}: ${action.detail}`] };
    }
    return reaction;
  }

  #intern(raw: Local, now: number): { id: number; shift: number } {
    const { local, epochShift } = canonical(raw, now, this.#kept, this.#options.alarms);
    const kept = this.#keep(local);
    const id = this.#rows.add(this.#row);
    if (id === this.count) {
      this.#factsOf.push(this.#factsFor(kept));
      this.#bodyOf.push(-1);
      // It is the next that something happens to.
      this.#recent[id & (RECENT - 1)] = { id, local: kept };
    }
    return { id, shift: epochShift };
  }

  /** Sets the row to the leaves of a representative, and returns the same one made of kept values only. */
  #keep({ state, disk, out, told }: Local): Local {
    const width = this.#fields.length;
    // The representative is ours alone until it is kept.
    const fields = state as Record<string, unknown> | null;
    const values = fields === null ? [] : Object.values(fields);
    for (let at = 0; at < width; at++) {
      const value = fields === null ? NO_DAEMON : values[at];
      const kept =
        at === this.#peerAt && state !== null ? this.#leaf(at, state.peer, this.#peerText) : this.#leaf(at, value);
      if (fields !== null && kept !== value) fields[this.#fields[at] ?? ""] = kept;
    }
    this.#leaf(width + 2, told.drbd);
    this.#leaf(width + 3, told.rest);
    return { state, disk: this.#leaf(width, disk), out: this.#leaf(width + 1, out), told };
  }

  /** Most fields are what they were in the state before, which the row still holds. */
  #leaf<T>(at: number, value: T, textOf?: (value: T) => string): T {
    if (this.#leaves.value(this.#row[at] ?? -1) === value) return value;
    const number = this.#leaves.number(value, textOf);
    this.#row[at] = number;
    // Equal to what was given, and of its type.
    return this.#leaves.value(number) as T;
  }

  /** The heartbeat is long and stays while instants move. */
  readonly #peerText = ({ body, linkHeardAt, linkContactAt, ...rest }: State["peer"]): string => {
    const instants: Readonly<Record<string, number | null>> = rest;
    const parts = [body, linkHeardAt, linkContactAt].map((part) => this.#leaves.number(part));
    return `peer ${parts.join(" ")} ${Object.values(instants).join(" ")}`;
  };

  /** The local state with this number. */
  read(id: number): Local {
    const place = id & (RECENT - 1);
    const recent = this.#recent[place];
    if (recent?.id === id) return recent.local;
    const local = this.#unfold(id);
    this.#recent[place] = { id, local };
    return local;
  }

  #unfold(id: number): Local {
    const row = this.#row;
    this.#rows.read(id, row);
    const width = this.#fields.length;
    const leaf = (at: number): unknown => this.#leaves.value(row[at] ?? -1);
    // Every leaf was taken from exactly this place.
    const [disk, out, drbd, rest] = [leaf(width), leaf(width + 1), leaf(width + 2), leaf(width + 3)] as [
      DurableRecord,
      readonly Outstanding[],
      number,
      number,
    ];
    if (leaf(0) === NO_DAEMON) return { state: null, disk, out, told: { drbd, rest } };
    // A copy has the shape that the function knows from every other state.
    const fields: Record<string, unknown> = { ...this.#template };
    for (const [at, field] of this.#fields.entries()) fields[field] = leaf(at);
    return { state: fields as unknown as State, disk, out, told: { drbd, rest } };
  }

  /** Of a representative made of kept values; equal facts are one object. */
  #factsFor(local: Local): LocalFacts {
    const { out } = local;
    const plain = plainFactsOf(local);
    const key = `${this.#leaves.number(out)} ${Object.values(plain).join(" ")}`;
    let facts = this.#facts.get(key);
    if (facts === undefined) {
      let waits = this.#waits.get(out);
      if (waits === undefined) this.#waits.set(out, (waits = waitsOf(out)));
      this.#facts.set(key, (facts = { ...plain, ...waits }));
    }
    return facts;
  }

  /** The heartbeat this host would send now, as a number for `happen.heartbeat`, with epochs moved by `delta`. */
  body(id: number, delta: number, receiver: Locals): number {
    let own = this.#bodyOf.at(id);
    if (own < 0) {
      const { state } = this.read(id);
      if (state === null) throw new Error("a daemon that is down sends no heartbeat");
      own = this.#internBody(heartbeatOf(state, 0));
      this.#bodyOf.set(id, own);
    }
    const known = this.#shifted.find(own, delta);
    if (known >= 0) return this.#shifted.first(known);
    const body = this.#bodies[own];
    if (body === undefined) throw new RangeError(`no heartbeat has the number ${own}`);
    const theirs = receiver.#internBody(shiftBody(body, (e) => e + delta));
    this.#shifted.add(own, delta, theirs, 0);
    return theirs;
  }

  #internBody(body: HeartbeatBody): number {
    const key = JSON.stringify(body);
    let id = this.#bodyNumbers.get(key);
    if (id === undefined) {
      id = this.#bodies.length;
      this.#bodies.push(body);
      this.#bodyNumbers.set(key, id);
    }
    return id;
  }

  /** An answer of the witness as a number for `happen.witness`. */
  answer(said: WitnessAnswer | null): number {
    // Epochs and reasons are for people.
    const plain = said === null ? null : { ...said, epoch: 0, refusal: said.refusal === null ? null : "no" };
    const key = JSON.stringify(plain);
    let id = this.#answerNumbers.get(key);
    if (id === undefined) {
      id = this.#answers.push(plain) - 1;
      this.#answerNumbers.set(key, id);
    }
    return id;
  }

  /** A request of the peer, whose epochs are `delta` behind this host's, as a number for `happen.request`. */
  request(request: PeerRequest, delta: number): number {
    const mine = shiftRequest(request, (e) => e + delta);
    const key = JSON.stringify(mine);
    let id = this.#requestNumbers.get(key);
    if (id === undefined) {
      id = this.#requests.length;
      this.#requests.push(mine);
      this.#requestNumbers.set(key, id);
    }
    return id;
  }
}

function waitsOf(out: readonly Outstanding[]): Waits {
  const positions = (kind: Outstanding["kind"]): number[] => out.flatMap((o, i) => (o.kind === kind ? [i] : []));
  return {
    out,
    question: out.findIndex((o) => o.kind === "sample" || o.kind === "probe" || o.kind === "round"),
    effects: positions("effect"),
    asks: positions("ask"),
  };
}

/** Simple values only. */
function plainFactsOf({ state, disk, told }: Local): Omit<LocalFacts, keyof Waits> {
  return {
    alive: state !== null,
    owner: disk.owner,
    ha: disk.ha,
    manual: disk.flags.manual,
    drbd: told.drbd,
    rest: told.rest,
    knowsHandler: state !== null && state.handlers.length > 0,
    late: state !== null && state.lastTick < -1.5 * TICK_MS,
    contact: state !== null && inContact(state, 0),
    commanded: state !== null && state.commands.length > 0,
    leaves: state?.stopping?.intent === "leaving",
    ending: state === null ? null : endingOf(state),
    mayRestart: state !== null && restartRefusal(state, 0) === undefined,
    mayPromote: state !== null && promotionRefusal(state, 0) === undefined,
  };
}

/** A pause that was not agreed is over (A7); the shutdown of a host goes on whatever its daemon says. */
function endingOf({ stopping, commands }: State): LocalFacts["ending"] {
  if (stopping === null || commands.some(({ kind }) => kind === "leave" || kind === "pause")) return null;
  if (stopping.intent === "leaving") return "host";
  return stopping.phase === "agreed" ? "daemon" : null;
}
