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

  number(value: unknown): number {
    if (typeof value !== "object" || value === null) {
      const known = this.#byPrimitive.get(value);
      if (known !== undefined) return known;
      this.#byPrimitive.set(value, this.#values.length);
      return this.#values.push(value) - 1;
    }
    const same = this.#byObject.get(value);
    if (same !== undefined) return same;
    const text = JSON.stringify(value);
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

/** Rows of `width` numbers, folded pairwise into one number. */
export class Forest {
  readonly #width: number;
  readonly #pairs = new PairMap();
  readonly #left = new Ints();
  readonly #right = new Ints();
  readonly #work: Int32Array;

  constructor(width: number) {
    this.#width = width;
    this.#work = new Int32Array(width);
  }

  /** The number of this row; equal rows have equal numbers. */
  add(row: Int32Array): number {
    const work = this.#work;
    work.set(row);
    for (let length = this.#width; length > 1; length = (length + 1) >> 1) {
      for (let at = 0; at < length; at += 2) {
        const left = work[at] ?? 0;
        work[at >> 1] = at + 1 < length ? this.#pair(left, work[at + 1] ?? 0) : left;
      }
    }
    return work[0] ?? 0;
  }

  /** The row with this number. */
  read(number: number, row: Int32Array): void {
    this.#unfold(number, this.#width, row);
  }

  #unfold(number: number, width: number, row: Int32Array): void {
    // The widths of the levels above the leaves, undone from the top.
    const widths: number[] = [];
    for (let length = width; length > 1; length = (length + 1) >> 1) widths.push(length);
    row[0] = number;
    for (const length of widths.toReversed()) {
      for (let at = (length - 1) & ~1; at >= 0; at -= 2) {
        const folded = row[at >> 1] ?? 0;
        if (at + 1 < length) {
          row[at] = this.#left.at(folded);
          row[at + 1] = this.#right.at(folded);
        } else row[at] = folded;
      }
    }
  }

  #pair(left: number, right: number): number {
    const known = this.#pairs.get(left, right);
    if (known >= 0) return known;
    const number = this.#left.push(left);
    this.#right.push(right);
    this.#pairs.add(left, right, number);
    return number;
  }
}
