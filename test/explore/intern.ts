// Equal values as one number, and whole states as blocks of such numbers: two states that differ in one field share
// nearly everything. Exact: the number stands for the value itself, not for a hash of it.

import { Rows } from "./tables.ts";

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

/** Numbers of one row that are folded into one. */
const BLOCK = 8;

/**
 * Rows of `width` numbers as one number each, in blocks that rows share. The newest row is remembered with the numbers
 * of its blocks: states that follow one another differ in few fields, and only blocks that differ are looked up.
 */
export class Blocks {
  readonly #rows: Rows;
  readonly #blocks = new Rows(BLOCK);
  /** The newest row, filled up to whole blocks, and the numbers of its blocks. */
  readonly #newest: Int32Array;
  readonly #numbers: Int32Array;

  constructor(width: number) {
    const blocks = Math.ceil(width / BLOCK);
    this.#rows = new Rows(blocks);
    this.#newest = new Int32Array(blocks * BLOCK);
    this.#numbers = new Int32Array(blocks).fill(-1);
  }

  /** The number of this row; equal rows have equal numbers. */
  add(row: Int32Array): number {
    const newest = this.#newest;
    for (let block = 0; block < this.#numbers.length; block++) {
      const from = block * BLOCK;
      let same = (this.#numbers[block] ?? -1) >= 0;
      for (let at = from; at < from + BLOCK; at++) {
        const number = row[at] ?? 0;
        if (newest[at] === number) continue;
        newest[at] = number;
        same = false;
      }
      if (!same) this.#numbers[block] = this.#blocks.add(newest, from);
    }
    return this.#rows.add(this.#numbers);
  }

  /** The row with this number. */
  read(number: number, row: Int32Array): void {
    this.#rows.read(number, this.#numbers);
    for (const [block, known] of this.#numbers.entries()) this.#blocks.read(known, this.#newest, block * BLOCK);
    row.set(this.#newest.subarray(0, row.length));
  }
}
