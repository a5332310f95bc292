// Compact tables: a hash map from two integers to two, distinct rows of integers, and the store of visited worlds. Exact,
// no fingerprints: rows are compared word by word.

/** A 32-bit mix of two words (the finalizer of MurmurHash3). */
function mix(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Rows are kept in pieces, so that nothing is copied when they grow. */
const CHUNK_BITS = 14;
const CHUNK = 1 << CHUNK_BITS;

/** A list of 32-bit integers that grows. */
export class Ints {
  #cells = new Int32Array(1 << 12);
  length = 0;

  at(index: number): number {
    return this.#cells[index] ?? 0;
  }

  set(index: number, value: number): void {
    this.#cells[index] = value;
  }

  /** The index of what was added. */
  push(value: number): number {
    if (this.length === this.#cells.length) {
      const old = this.#cells;
      this.#cells = new Int32Array(2 * old.length);
      this.#cells.set(old);
    }
    this.#cells[this.length] = value;
    return this.length++;
  }
}

/** Two integers to two others; four words that lie together, because most of the time of a search is waiting for memory. */
export class PairMap {
  #mask = (1 << 16) - 1;
  /** First key, second key, first value + 1 (0 = free), second value. */
  #cells = new Int32Array(4 * (this.#mask + 1));
  size = 0;

  /** Where the pair's values are, until the next `add`; -1: it is not there. */
  find(a: number, b: number): number {
    const cells = this.#cells;
    for (let slot = mix(a, b) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = 4 * slot;
      if (cells[at + 2] === 0) return -1;
      if (cells[at] === a && cells[at + 1] === b) return at;
    }
  }

  first(at: number): number {
    return (this.#cells[at + 2] ?? 0) - 1;
  }

  second(at: number): number {
    return this.#cells[at + 3] ?? 0;
  }

  /** The pair must not be there yet. Answers as `find` does. */
  add(a: number, b: number, first: number, second: number): number {
    if (this.size * 5 > (this.#mask + 1) * 3) this.#grow();
    this.size += 1;
    return this.#put(a, b, first + 1, second);
  }

  #put(a: number, b: number, firstAndOne: number, second: number): number {
    const cells = this.#cells;
    let slot = mix(a, b) & this.#mask;
    while (cells[4 * slot + 2] !== 0) slot = (slot + 1) & this.#mask;
    const at = 4 * slot;
    cells[at] = a;
    cells[at + 1] = b;
    cells[at + 2] = firstAndOne;
    cells[at + 3] = second;
    return at;
  }

  #grow(): void {
    const old = this.#cells;
    this.#mask = 2 * this.#mask + 1;
    this.#cells = new Int32Array(4 * (this.#mask + 1));
    for (let at = 0; at < old.length; at += 4) {
      const value = old[at + 2] ?? 0;
      if (value !== 0) this.#put(old[at] ?? 0, old[at + 1] ?? 0, value, old[at + 3] ?? 0);
    }
  }
}

/** Rows of `width` numbers, each of them once. */
export class Rows {
  readonly #width: number;
  readonly #chunks: Int32Array[] = [];
  #mask = (1 << 12) - 1;
  /** Row + 1, or 0. */
  #table = new Int32Array(this.#mask + 1);
  count = 0;
  /** The last `add` found its row there already. */
  known = false;

  constructor(width: number) {
    this.#width = width;
  }

  /** The number of the row that begins at `from`. */
  add(words: Int32Array, from = 0): number {
    if (this.count * 5 > (this.#mask + 1) * 3) this.#grow();
    let slot = this.#hash(words, from) & this.#mask;
    for (;;) {
      const row = (this.#table[slot] ?? 0) - 1;
      if (row < 0) break;
      if (this.#same(row, words, from)) {
        this.known = true;
        return row;
      }
      slot = (slot + 1) & this.#mask;
    }
    this.known = false;
    const row = this.count++;
    this.#table[slot] = row + 1;
    if (row >> CHUNK_BITS === this.#chunks.length) this.#chunks.push(new Int32Array(CHUNK * this.#width));
    const chunk = this.#chunk(row);
    const at = (row & (CHUNK - 1)) * this.#width;
    for (let i = 0; i < this.#width; i++) chunk[at + i] = words[from + i] ?? 0;
    return row;
  }

  read(row: number, words: Int32Array, to = 0): void {
    const chunk = this.#chunk(row);
    const at = (row & (CHUNK - 1)) * this.#width;
    for (let i = 0; i < this.#width; i++) words[to + i] = chunk[at + i] ?? 0;
  }

  #chunk(row: number): Int32Array {
    const chunk = this.#chunks[row >> CHUNK_BITS];
    if (chunk === undefined) throw new RangeError(`no row has the number ${row}`);
    return chunk;
  }

  #hash(words: Int32Array, from: number): number {
    let h = 0;
    for (let i = 0; i < this.#width; i++) h = mix(h ^ (words[from + i] ?? 0), i + 1);
    return h;
  }

  #same(row: number, words: Int32Array, from: number): boolean {
    const chunk = this.#chunk(row);
    const at = (row & (CHUNK - 1)) * this.#width;
    for (let i = 0; i < this.#width; i++) if (chunk[at + i] !== words[from + i]) return false;
    return true;
  }

  #grow(): void {
    this.#mask = 2 * this.#mask + 1;
    this.#table = new Int32Array(this.#mask + 1);
    for (let row = 0; row < this.count; row++) {
      let slot = this.#hash(this.#chunk(row), (row & (CHUNK - 1)) * this.#width) & this.#mask;
      while (this.#table[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#table[slot] = row + 1;
    }
  }
}

/** Words of one packed world. */
export const WORDS = 7;

/** The worlds that were visited, each with the one it was first reached from and the move that led there. */
export class WorldStore {
  readonly #worlds = new Rows(WORDS);
  readonly #parents = new Ints();
  readonly #moves = new Ints();

  get count(): number {
    return this.#worlds.count;
  }

  /** The new world's row, or -1 when it was there before. */
  add(words: Int32Array, parent: number, move: number): number {
    const row = this.#worlds.add(words);
    if (this.#worlds.known) return -1;
    this.#parents.push(parent);
    this.#moves.push(move);
    return row;
  }

  read(row: number, words: Int32Array): void {
    this.#worlds.read(row, words);
  }

  parent(row: number): number {
    return this.#parents.at(row);
  }

  move(row: number): number {
    return this.#moves.at(row);
  }
}
