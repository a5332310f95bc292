// The witness on the management switch: the real decision on grants, with the few numbers of its table packed into one
// word. It always runs and keeps its file; whether it answers a host is `vote` of the world.

import type { WitnessAnswer, WitnessRequest } from "../../src/core/model/witness.ts";
import { decide, type GrantRecord } from "../../src/witness/grants.ts";
import { hostName, RESOURCE, SIDES, type Side } from "./scale.ts";

const POOL = "pool";
const OLDEST = -30;
/** Three stamps are enough: two hosts can hold two, and the one in force is neither when it is new. */
const STAMPS = [0, 1, 2] as const;

export class Witness {
  /** Epochs are relative to the one on host a's disk. Null: it never heard of the pool. */
  record: GrantRecord | null = null;
  stamp = 0;
  /** The stamp each host was given last; -1 = none. */
  readonly given: [number, number] = [-1, -1];

  ask(side: Side, request: WitnessRequest, seen: number | null): WitnessAnswer {
    const host = hostName(side);
    const decision = decide(
      this.record === null ? {} : { [POOL]: { [RESOURCE]: this.record } },
      { poolId: POOL, host, request, seen },
      // It has been up for longer than T_take (A17).
      { now: 0, startedAt: -Infinity, stamp: this.stamp, nextStamp: this.#nextStamp(), rules: { removedRules: [] } },
    );
    this.record = decision.table[POOL]?.[RESOURCE] ?? null;
    this.stamp = decision.stamp;
    this.given[side] = decision.stamp;
    return decision.answer;
  }

  #nextStamp(): number {
    return STAMPS.find((stamp) => stamp !== this.stamp && !this.given.includes(stamp)) ?? 0;
  }

  /** A daemon that is gone quotes no stamp any more. */
  forget(side: Side): void {
    this.given[side] = -1;
  }

  /** Host a's disk is `epochs` further on. */
  shift(epochs: number): void {
    if (this.record === null) return;
    const { epoch, owner, grant } = this.record;
    this.record = {
      epoch: epoch - epochs,
      owner,
      grant: grant === null ? null : { ...grant, epoch: grant.epoch - epochs },
    };
  }

  pack(): number {
    const { record } = this;
    const code = (host: string | null | undefined): number => SIDES.findIndex((side) => hostName(side) === host) + 1;
    const age = (epoch: number): number => Math.max(OLDEST, epoch) - OLDEST;
    const known = record === null ? 0 : 1 | (code(record.owner) << 1) | (age(record.epoch) << 5);
    const grant = record?.grant ?? null;
    const held = grant === null ? 0 : (code(grant.holder) << 3) | (age(grant.epoch) << 11);
    return known | held | (this.stamp << 17) | ((this.given[0] + 1) << 19) | ((this.given[1] + 1) << 21);
  }

  unpack(word: number): void {
    const name = (at: number): string | null => [null, "a", "b"][(word >> at) & 3] ?? null;
    const holder = name(3);
    const grant = holder === null ? null : { holder, epoch: ((word >> 11) & 63) + OLDEST };
    this.record = (word & 1) === 0 ? null : { epoch: ((word >> 5) & 63) + OLDEST, owner: name(1), grant };
    this.stamp = (word >> 17) & 3;
    this.given[0] = ((word >> 19) & 3) - 1;
    this.given[1] = ((word >> 21) & 3) - 1;
  }
}
