// Compact tables: a hash map from two integers to one, and the store of visited worlds. Exact, no fingerprints: worlds
// are compared word by word.

/** A 32-bit mix of two words (the finalizer of MurmurHash3). */
function mix(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

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

export class PairMap {
  #mask = (1 << 16) - 1;
  /** Triples: first key, second key, value + 1 (0 = free). */
  #cells = new Int32Array(3 * (this.#mask + 1));
  size = 0;

  /** The value, or -1. */
  get(a: number, b: number): number {
    const cells = this.#cells;
    for (let slot = mix(a, b) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = 3 * slot;
      const value = cells[at + 2] ?? 0;
      if (value === 0) return -1;
      if (cells[at] === a && cells[at + 1] === b) return value - 1;
    }
  }

  /** The pair must not be there yet. */
  add(a: number, b: number, value: number): void {
    if (this.size * 5 > (this.#mask + 1) * 3) this.#grow();
    this.#put(a, b, value + 1);
    this.size += 1;
  }

  #put(a: number, b: number, value: number): void {
    const cells = this.#cells;
    let slot = mix(a, b) & this.#mask;
    while (cells[3 * slot + 2] !== 0) slot = (slot + 1) & this.#mask;
    cells.set([a, b, value], 3 * slot);
  }

  #grow(): void {
    const old = this.#cells;
    this.#mask = 2 * this.#mask + 1;
    this.#cells = new Int32Array(3 * (this.#mask + 1));
    for (let at = 0; at < old.length; at += 3) {
      const value = old[at + 2] ?? 0;
      if (value !== 0) this.#put(old[at] ?? 0, old[at + 1] ?? 0, value);
    }
  }
}

/** Words of one packed world. */
export const WORDS = 6;
const CHUNK_BITS = 18;
const CHUNK = 1 << CHUNK_BITS;
/** Per world: its words, the world it came from, the move that led here. */
const ROW = WORDS + 2;

export class WorldStore {
  readonly #chunks: Int32Array[] = [];
  #mask = (1 << 18) - 1;
  /** Row + 1, or 0. */
  #table = new Int32Array(this.#mask + 1);
  count = 0;

  /** The new world's row, or -1 when it was there before. */
  add(words: Int32Array, parent: number, move: number): number {
    if (this.count * 5 > (this.#mask + 1) * 3) this.#grow();
    let slot = this.#hash(words, 0) & this.#mask;
    for (;;) {
      const row = (this.#table[slot] ?? 0) - 1;
      if (row < 0) break;
      if (this.#same(row, words)) return -1;
      slot = (slot + 1) & this.#mask;
    }
    const row = this.count++;
    this.#table[slot] = row + 1;
    if (row >> CHUNK_BITS === this.#chunks.length) this.#chunks.push(new Int32Array(CHUNK * ROW));
    const chunk = this.#chunk(row);
    const at = (row & (CHUNK - 1)) * ROW;
    for (let i = 0; i < WORDS; i++) chunk[at + i] = words[i] ?? 0;
    chunk[at + WORDS] = parent;
    chunk[at + WORDS + 1] = move;
    return row;
  }

  read(row: number, words: Int32Array): void {
    const chunk = this.#chunk(row);
    const at = (row & (CHUNK - 1)) * ROW;
    for (let i = 0; i < WORDS; i++) words[i] = chunk[at + i] ?? 0;
  }

  parent(row: number): number {
    return this.#chunk(row)[(row & (CHUNK - 1)) * ROW + WORDS] ?? -1;
  }

  move(row: number): number {
    return this.#chunk(row)[(row & (CHUNK - 1)) * ROW + WORDS + 1] ?? -1;
  }

  #chunk(row: number): Int32Array {
    const chunk = this.#chunks[row >> CHUNK_BITS];
    if (chunk === undefined) throw new RangeError(`no world has the number ${row}`);
    return chunk;
  }

  #hash(words: Int32Array, at: number): number {
    let h = 0;
    for (let i = 0; i < WORDS; i++) h = mix(h ^ (words[at + i] ?? 0), i + 1);
    return h;
  }

  #same(row: number, words: Int32Array): boolean {
    const chunk = this.#chunk(row);
    const at = (row & (CHUNK - 1)) * ROW;
    for (let i = 0; i < WORDS; i++) if (chunk[at + i] !== words[i]) return false;
    return true;
  }

  #grow(): void {
    this.#mask = 2 * this.#mask + 1;
    this.#table = new Int32Array(this.#mask + 1);
    for (let row = 0; row < this.count; row++) {
      let slot = this.#hash(this.#chunk(row), (row & (CHUNK - 1)) * ROW) & this.#mask;
      while (this.#table[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#table[slot] = row + 1;
    }
  }
}
