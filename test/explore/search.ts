// Breadth-first search: first everything that can follow without a fault, then one fault from each of those worlds, and
// so on. A world that was reached with fewer faults is never looked at again, so the first counterexample has the fewest
// faults, and the shortest way among the worlds of its layer.

import type { Policy } from "../../src/core/model/config.ts";
import { checkAfterOneFault } from "./invariants.ts";
import { Locals, type OnComputed } from "./locals.ts";
import { FAULTS, repairAll, REPAIRS, type FaultKind, type Move } from "./moves.ts";
import { configOf, firstRecord, SIDES, type Variant } from "./scale.ts";
import { WorldStore } from "./tables.ts";
import { ORDER_BIT, slowBit, Ticker } from "./tick.ts";
import { GENERATION, newWords, World, type Surroundings } from "./world.ts";

export type Start = readonly (string | number)[];

export interface SearchOptions extends Variant {
  readonly policy: Policy;
  readonly surroundings: Surroundings;
  /** What has happened before the search begins, from two settled hosts on: names of moves, or ticks that pass. */
  readonly start?: Start;
  /** Most faults. */
  readonly budget: number;
  /** Ends when this many distinct worlds are known. */
  readonly maxStates: number;
  readonly faults: readonly FaultKind[];
  readonly onLayer?: (layer: Layer) => void;
  readonly onProgress?: (progress: Progress) => void;
  readonly onComputed?: OnComputed | null;
}

/** The worlds first reached with exactly `faults` faults. */
export interface Layer {
  readonly faults: number;
  readonly from: number;
  readonly to: number;
  /** Every world of it was expanded. */
  readonly whole: boolean;
}

/** How far a search is. */
export interface Progress {
  readonly faults: number;
  readonly states: number;
  readonly transitions: number;
  readonly seconds: number;
}

export interface Counterexample {
  readonly violation: string;
  readonly faults: number;
  /** From the first world on. */
  readonly moves: readonly number[];
}

/** So many new worlds from one report to the next. */
const REPORT_EVERY = 250_000;

const TICKS = 8;
/** Everything is repaired at once: where a liveness run begins. */
export const REPAIR_ALL = 15;
const REPAIR_BASE = 16;
export const FAULT_BASE = 64;
/** Long enough for two hosts that boot together to serve and run their VMs. */
const SETTLE_TICKS = 30;

const repairEverything: Move = {
  name: "everything is repaired",
  kind: "repair",
  possible: () => true,
  make: repairAll,
};

export function moveOf(code: number): Move | null {
  if (code === REPAIR_ALL) return repairEverything;
  if (code >= FAULT_BASE) return FAULTS[code - FAULT_BASE] ?? null;
  return code >= REPAIR_BASE ? (REPAIRS[code - REPAIR_BASE] ?? null) : null;
}

/** The moves of a start, as codes. */
export function codesOf(start: Start): number[] {
  return start.flatMap((item) => {
    if (typeof item === "number") return Array.from({ length: item }, () => 0);
    const repair = REPAIRS.findIndex(({ name }) => name === item);
    if (repair >= 0) return [REPAIR_BASE + repair];
    const fault = FAULTS.findIndex(({ name }) => name === item);
    if (fault < 0) throw new RangeError(`no move is called "${item}"`);
    return [FAULT_BASE + fault];
  });
}

/** Makes the move `code`: a tick with its choices, a repair or a fault. */
export function play(world: World, ticker: Ticker, code: number): void {
  const move = moveOf(code);
  if (move === null) ticker.tick(code);
  else move.make(world, ticker);
}

/**
 * Two hosts that were switched on together and settled: one serves, both copies agree, every VM is at home. With a split
 * brain: both are off.
 */
export function settledWorld(
  variant: Variant,
  surroundings: Surroundings,
  verbose = false,
  onComputed: OnComputed | null = null,
): { world: World; ticker: Ticker } {
  const { history: alarms, clocks } = surroundings;
  const locals = SIDES.map(
    (side) => new Locals(configOf(side, variant), { verbose, alarms, tickMs: clocks[side], onComputed }),
  );
  const [a, b] = locals;
  if (a === undefined || b === undefined) throw new Error("two hosts");
  const world = new World([a, b], variant.policy, surroundings);
  const ticker = new Ticker(world);
  for (const side of SIDES) world.host(side).local = world.locals[side].down(firstRecord(side));
  world.host(0).master = 1;
  if (surroundings.split) {
    world.generation = GENERATION.apart;
    for (const h of world.hosts) Object.assign(h, { fresh: 0, peerOutdated: 1 });
    return { world, ticker };
  }
  for (const repair of REPAIRS) if (repair.possible(world)) repair.make(world, ticker);
  for (let i = 0; i < SETTLE_TICKS; i++) ticker.tick(0);
  return { world, ticker };
}

export class Search {
  readonly options: SearchOptions;
  readonly world: World;
  readonly ticker: Ticker;
  readonly store = new WorldStore();
  readonly layers: Layer[] = [];
  transitions = 0;
  counterexample: Counterexample | null = null;
  readonly #faults: readonly number[];
  readonly #start: readonly number[];
  readonly #words = newWords();
  readonly #halfway = newWords();
  readonly #next = newWords();
  /** The row that the world is, as long as nothing happened to it; -1: another world. */
  #untouched = -1;
  readonly #begun = performance.now();

  constructor(options: SearchOptions) {
    this.options = options;
    const { world, ticker } = settledWorld(options, options.surroundings, false, options.onComputed ?? null);
    this.world = world;
    this.ticker = ticker;
    this.#start = codesOf(options.start ?? []);
    for (const code of this.#start) play(world, ticker, code);
    this.#faults = FAULTS.flatMap((fault, i) =>
      fault.kind !== "repair" && options.faults.includes(fault.kind) ? [i] : [],
    );
  }

  get states(): number {
    return this.store.count;
  }

  get #over(): boolean {
    return this.counterexample !== null || this.store.count >= this.options.maxStates;
  }

  run(): void {
    this.world.pack(this.#words);
    this.store.add(this.#words, -1, -1);
    let from = 0;
    for (let faults = 0; faults <= this.options.budget && !this.#over; faults++) {
      if (faults > 0) {
        const end = this.store.count;
        for (let row = from; row < end && !this.#over; row++) this.#breakSomething(row, faults);
        from = end;
      }
      let row = from;
      for (; row < this.store.count && !this.#over; row++) this.#goOn(row, faults);
      const layer = { faults, from, to: this.store.count, whole: row === this.store.count && !this.#over };
      this.layers.push(layer);
      this.options.onLayer?.(layer);
    }
  }

  #breakSomething(row: number, faults: number): void {
    for (const index of this.#faults) {
      const fault = FAULTS[index];
      if (fault !== undefined) this.#move(row, fault, FAULT_BASE + index, faults);
    }
  }

  #goOn(row: number, faults: number): void {
    this.#load(row);
    this.#untouched = -1;
    this.ticker.begin();
    // What broke so early breaks whatever is chosen, and is not kept in the words.
    if (this.world.violation !== null) return this.#arrive(row, 0, faults);
    this.world.pack(this.#halfway);
    for (let order = 0; order <= ORDER_BIT; order++) {
      this.#tick(row, order, faults);
      const { worked } = this.ticker;
      // Slower hands make a difference only where hands had something to do.
      for (let slow = slowBit(0); slow < TICKS; slow += slowBit(0))
        if ((worked & slow) === slow) this.#tick(row, order | slow, faults);
    }
    for (const [index, repair] of REPAIRS.entries()) this.#move(row, repair, REPAIR_BASE + index, faults);
  }

  /** From the beginning of the tick on, which is the same for every choice. */
  #tick(row: number, choices: number, faults: number): void {
    this.world.unpack(this.#halfway);
    this.ticker.finish(choices);
    this.#arrive(row, choices, faults);
  }

  #move(row: number, move: Move, code: number, faults: number): void {
    if (this.#untouched !== row) this.#load(row);
    if (!move.possible(this.world)) return;
    this.#untouched = -1;
    move.make(this.world, this.ticker);
    const { h1 } = this.options.surroundings;
    if (move.kind !== "repair" && h1 && !this.world.h1Holds()) return;
    this.#arrive(row, code, faults);
  }

  #load(row: number): void {
    this.store.read(row, this.#words);
    this.world.unpack(this.#words);
    this.#untouched = row;
  }

  #arrive(parent: number, move: number, faults: number): void {
    this.transitions += 1;
    const { world } = this;
    if (faults <= 1 && !this.options.surroundings.split) checkAfterOneFault(world);
    if (world.violation !== null) {
      this.counterexample ??= { violation: world.violation, faults, moves: [...this.path(parent), move] };
      return;
    }
    world.pack(this.#next);
    if (this.store.add(this.#next, parent, move) % REPORT_EVERY === 0) this.#report(faults);
  }

  #report(faults: number): void {
    const { states, transitions } = this;
    this.options.onProgress?.({ faults, states, transitions, seconds: (performance.now() - this.#begun) / 1000 });
  }

  /** Moves of the longest way to a world, by the ways they were found. */
  get depth(): number {
    const depths = new Int32Array(this.states);
    let deepest = 0;
    for (let row = 1; row < this.states; row++) {
      depths[row] = 1 + (depths[this.store.parent(row)] ?? 0);
      deepest = Math.max(deepest, depths[row] ?? 0);
    }
    return deepest;
  }

  /** The moves that lead from the first world to this one. */
  path(row: number): number[] {
    const moves: number[] = [];
    for (let at = row; this.store.parent(at) >= 0; at = this.store.parent(at)) moves.push(this.store.move(at));
    return [...this.#start, ...moves.toReversed()];
  }
}
