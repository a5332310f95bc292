// A frame of reference: what is relative in the representative of a host's state, and relative to what.

import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { HeartbeatBody, PeerRequest } from "../../src/core/model/peer.ts";

/** Longer than any wait of the core with these timers: T_take stretched by half (A8). */
export const HORIZON_MS = 14_000;
const OLDEST_EPOCH = -3;

/** An answer that nobody waits for carries this number. */
export const NOBODY = 99;

/** Does this very object come from a representative? */
export type Kept = (value: object | null) => boolean;

export class Frame {
  readonly now: number;
  readonly base: number;
  readonly ids: ReadonlyMap<number, number>;
  /** What a person was told of matters. */
  readonly alarms: boolean;
  readonly #still: boolean;
  readonly #kept: Kept;

  constructor(now: number, base: number, ids: ReadonlyMap<number, number>, kept: Kept, alarms: boolean) {
    this.now = now;
    this.base = base;
    this.ids = ids;
    this.#kept = kept;
    this.alarms = alarms;
    let still = now === 0 && base === 0;
    for (const [id, number] of ids) still &&= id === number;
    this.#still = still;
  }

  /** Nothing has moved, and this value comes from a representative as it is: it stays. */
  keeps(value: object | null): boolean {
    return this.#still && this.#kept(value);
  }

  /** An instant that nothing asks about any more once it is `horizon` ago. */
  past(at: number, horizon = HORIZON_MS): number {
    return Math.max(at - this.now, -horizon);
  }

  pastOrNull(at: number | null, horizon = HORIZON_MS): number | null {
    return at === null ? null : this.past(at, horizon);
  }

  /** An instant that is only ever asked "not yet?". */
  notBefore(at: number | null): number | null {
    return at === null || at <= this.now ? null : at - this.now;
  }

  epoch(epoch: number): number {
    return Math.max(epoch - this.base, OLDEST_EPOCH);
  }

  id(id: number): number {
    return id < 0 ? id : (this.ids.get(id) ?? 0);
  }
}

/**
 * `value`, or the object it was made from when the two are the same field by field: equal states share their parts. Both
 * have their fields in one order, since texts are compared elsewhere.
 */
export function shared<T extends object>(value: T, from: T): T {
  for (const key in value) if (value[key] !== from[key]) return value;
  return from;
}

export const isTrue = (solo: Readonly<Record<string, boolean>>): Record<string, boolean> =>
  Object.fromEntries(Object.entries(solo).filter(([, value]) => value));

/** Written for people; nothing is decided on it. */
const NEVER_SYNCED: DurableRecord["lastSync"] = {};

export function shiftRecord(record: DurableRecord, epoch: (e: number) => number): DurableRecord {
  const solo = Object.values(record.solo).every(Boolean) ? record.solo : isTrue(record.solo);
  return shared({ ...record, epoch: epoch(record.epoch), solo, lastSync: NEVER_SYNCED }, record);
}

export function shiftBody(body: HeartbeatBody, epoch: (e: number) => number): HeartbeatBody {
  const shifted = epoch(body.epoch);
  return shifted === body.epoch ? body : { ...body, epoch: shifted };
}

/** A token is unique by host and epoch: every offer that was not taken ends with a higher epoch (A9). */
export function shiftToken(token: string, epoch: (e: number) => number): string {
  if (token === "") return token;
  const [host = "", boot = "", of = ""] = token.split(":");
  return `${host}:${boot}:${epoch(Number(of))}:0`;
}

export function shiftRequest(request: PeerRequest, epoch: (e: number) => number): PeerRequest {
  switch (request.kind) {
    case "outdate":
    case "claim":
      return { ...request, epoch: epoch(request.epoch) };
    case "acquire":
    case "cancel":
      return { ...request, epoch: epoch(request.epoch), token: shiftToken(request.token, epoch) };
    case "validate":
      return { ...request, token: shiftToken(request.token, epoch) };
    default:
      return request;
  }
}
