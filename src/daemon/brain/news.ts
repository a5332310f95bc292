// Is there anything in the brain's state that the hands should hear of? Pure.

import type { State } from "../../core/model/state.ts";

/** What moves with the clock, and with every heartbeat, while nothing happens. */
const MOVING: ReadonlySet<string> = new Set<keyof State>([
  "lastTick",
  "lag",
  "nextId",
  "peer",
  "leaseFrom",
  "drbdConnectedAt",
  "tokenAt",
]);

/** What the hands wait for. */
export const isUrgent = (before: State, after: State): boolean =>
  after.activity !== before.activity || after.durable !== before.durable || after.suspected !== before.suspected;

/** `step` keeps a field that it does not change, so that every other object is news. */
export function isNews(before: State, after: State): boolean {
  if (after.peer.body !== before.peer.body) return true;
  const old: Readonly<Record<string, unknown>> = { ...before };
  return Object.entries(after).some(([field, value]) => !MOVING.has(field) && old[field] !== value);
}
