// What V10 and V12 ask about the past, in one word of a world: how long I/O is suspended, whether somebody was told, and
// how often and when the storage moved by itself. Searches that do not ask leave it out (`Surroundings.history`): every
// tick of it tells worlds apart.

import type { DurableRecord } from "../../src/core/model/durable.ts";
import { RESOURCE, SIDES, TICK_MS, TIMERS, type Side } from "./scale.ts";
import type { World } from "./world.ts";

/** Four bits each. */
const LONGEST = 15;
/** V10's bound, in ticks. */
const HELD_TICKS = (TIMERS.take + 5_000) / TICK_MS;
if (HELD_TICKS >= LONGEST) throw new Error("V10's bound does not fit into its bits");
/** D15: so many moves without a person or a resync between, and then a person decides. */
const MOST_MOVES = 2;

export class History {
  /** Ticks for which I/O is held up on each host, and whether it told somebody meanwhile. */
  readonly #held: [number, number] = [0, 0];
  readonly #told: [number, number] = [0, 0];
  #moves = 0;
  #sinceMove = 0;

  /** A tick is over. */
  tick(world: World): void {
    this.#sinceMove = this.#moves === 0 ? 0 : Math.min(LONGEST, this.#sinceMove + 1);
    const served = world.serves(0) || world.serves(1);
    for (const side of SIDES) {
      const h = world.host(side);
      if (h.suspended === 0) this.#told[side] = 0;
      // Whoever stands still can tell nobody; failed over is over.
      if (h.suspended === 0 || !world.awake(side) || h.stuck === 1 || served) this.#held[side] = 0;
      else this.#held[side] = Math.min(LONGEST, this.#held[side] + 1);
      if (this.#held[side] <= HELD_TICKS || this.#told[side] === 1) continue;
      if ((world.locals[side].read(h.local).state?.blocked ?? null) === null)
        world.broke(`V10 I/O is suspended on ${side === 0 ? "a" : "b"} for ${this.#held[side]} ticks, nobody was told`);
    }
  }

  /** A person was told of something. */
  alerted(side: Side): void {
    this.#told[side] = 1;
  }

  /** `record` reaches the disk of a host: is it a move of the storage that nobody ordered? */
  recorded(world: World, side: Side, record: DurableRecord): void {
    const { disk, state } = world.locals[side].read(world.host(side).local);
    const { hostId } = world.locals[side].config;
    if (record.owner !== hostId || disk.owner === hostId) return;
    const ordered = state?.commands.some(({ kind }) => kind === "switch" || kind === "become-primary") === true;
    const byItself = record.solo[RESOURCE] === true || record.takeovers > disk.takeovers;
    if (ordered || !byItself) return;
    const ticks = this.#sinceMove;
    if (this.#moves > 0 && ticks * TICK_MS < TIMERS.flap)
      world.broke(`V12 the storage moves to ${hostId} by itself ${ticks} ticks after it moved before`);
    if (this.#moves >= MOST_MOVES) world.broke(`V12 the storage moves to ${hostId} by itself for the third time`);
    this.#moves = Math.min(MOST_MOVES, this.#moves + 1);
    this.#sinceMove = 0;
  }

  /** A person acted, or the copies agreed again (A23). */
  forgetMoves(): void {
    this.#moves = 0;
    this.#sinceMove = 0;
  }

  pack(): number {
    const [heldA, heldB] = this.#held;
    const [toldA, toldB] = this.#told;
    return heldA | (heldB << 4) | (toldA << 8) | (toldB << 9) | (this.#moves << 10) | (this.#sinceMove << 12);
  }

  unpack(word: number): void {
    this.#held[0] = word & 15;
    this.#held[1] = (word >> 4) & 15;
    this.#told[0] = (word >> 8) & 1;
    this.#told[1] = (word >> 9) & 1;
    this.#moves = (word >> 10) & 3;
    this.#sinceMove = (word >> 12) & 15;
  }
}
