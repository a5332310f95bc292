// Equal values as one number, and whole states as trees of such numbers: two states that differ in one field share
// nearly everything. Exact: the number stands for the value itself, not for a hash of it.

import { Ints, PairMap } from "./tables.ts";

/** Values of single fields; objects are told apart by their JSON, and the first of each kind is the one that is kept. */
export class Leaves {
  readonly #values: unknown[] = [];
  readonly #byObject = new Map<object, number>();
  readonly #byText = new Map<string, number>();
  readonly #byPrimitive = new Map<unknown, number>();

  /** This very object is the one that is kept for its value. */
  keeps(value: unknown): boolean {
    return typeof value !== "object" || value === null || this.#byObject.has(value);
  }

  /** `textOf`: the text of an object of this kind, equal for equal objects only. */
  number<T>(value: T, textOf: (value: T) => string = JSON.stringify): number {
    if (typeof value !== "object" || value === null) {
      const known = this.#byPrimitive.get(value);
      if (known !== undefined) return known;
      this.#byPrimitive.set(value, this.#values.length);
      return this.#values.push(value) - 1;
    }
    const same = this.#byObject.get(value);
    if (same !== undefined) return same;
    const text = textOf(value);
    const equal = this.#byText.get(text);
    if (equal !== undefined) return equal;
    this.#byText.set(text, this.#values.length);
    this.#byObject.set(value, this.#values.length);
    return this.#values.push(value) - 1;
  }

  value(number: number): unknown {
    return this.#values[number];
  }
}

/**
 * Rows of `width` numbers, folded pairwise into one number. The newest row is remembered with its pairs, their pairs and
 * so on: states that follow one another differ in few fields, and only what differs is looked up.
 */
export class Forest {
  readonly #pairs = new PairMap();
  readonly #left = new Ints();
  readonly #right = new Ints();
  /** The newest row, its pairs, the pairs of these, up to the one number. */
  readonly #levels: readonly Int32Array[];
  /** Places of one level that may have changed. */
  readonly #dirty: Int32Array;

  constructor(width: number) {
    const levels = [new Int32Array(width).fill(-1)];
    for (let length = width; length > 1; ) {
      length = (length + 1) >> 1;
      levels.push(new Int32Array(length).fill(-1));
    }
    this.#levels = levels;
    this.#dirty = new Int32Array(width);
  }

  /** The number of this row; equal rows have equal numbers. */
  add(row: Int32Array): number {
    const dirty = this.#dirty;
    let count = row.length;
    for (let at = 0; at < count; at++) dirty[at] = at;
    let below = row;
    for (const [depth, level] of this.#levels.entries()) {
      let changed = 0;
      for (let i = 0; i < count; i++) {
        const at = dirty[i] ?? 0;
        const number = depth === 0 ? (row[at] ?? 0) : this.#folded(below, at);
        if (level[at] === number) continue;
        level[at] = number;
        if (changed === 0 || dirty[changed - 1] !== at >> 1) dirty[changed++] = at >> 1;
      }
      count = changed;
      below = level;
    }
    return below[0] ?? 0;
  }

  /** The row with this number. */
  read(number: number, row: Int32Array): void {
    this.#unfold(this.#levels.length - 1, 0, number);
    const newest = this.#levels[0];
    if (newest !== undefined) row.set(newest);
  }

  #unfold(depth: number, at: number, number: number): void {
    const level = this.#levels[depth];
    if (level === undefined || level[at] === number) return;
    level[at] = number;
    const below = this.#levels[depth - 1];
    if (below === undefined) return;
    if (2 * at + 1 < below.length) {
      this.#unfold(depth - 1, 2 * at, this.#left.at(number));
      this.#unfold(depth - 1, 2 * at + 1, this.#right.at(number));
    } else this.#unfold(depth - 1, 2 * at, number);
  }

  #folded(below: Int32Array, at: number): number {
    const left = below[2 * at] ?? 0;
    const right = below[2 * at + 1];
    if (right === undefined) return left;
    const known = this.#pairs.get(left, right);
    if (known >= 0) return known;
    const number = this.#left.push(left);
    this.#right.push(right);
    this.#pairs.add(left, right, number);
    return number;
  }
}
