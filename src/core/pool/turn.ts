// One call of `poolStep`: the state as it stands so far and the actions asked for. Local to the call, never kept.

import type { DurableRecord } from "../model/durable.ts";
import type { Instant } from "../model/time.ts";
import type { Neighbour, PoolAction, PoolEffectBody, PoolState } from "./model.ts";

export interface PoolTurn {
  state: PoolState;
  readonly now: Instant;
  readonly actions: PoolAction[];
}

export function change(turn: PoolTurn, patch: Partial<PoolState>): void {
  turn.state = { ...turn.state, ...patch };
}

export function changeHost(turn: PoolTurn, hostId: string, patch: Partial<Neighbour>): void {
  const { neighbours } = turn.state;
  const one = neighbours[hostId];
  if (one !== undefined) change(turn, { neighbours: { ...neighbours, [hostId]: { ...one, ...patch } } });
}

/** Asks for an effect and returns the id its result will carry. */
export function effect(turn: PoolTurn, body: PoolEffectBody): number {
  const id = turn.state.nextId;
  change(turn, { nextId: id + 1 });
  turn.actions.push({ ...body, id });
  return id;
}

/** Starts writing the durable record; false while another write is in flight (then ask again next turn). */
export function persist(turn: PoolTurn, patch: Partial<DurableRecord>): boolean {
  if (turn.state.persisting !== null) return false;
  const record = { ...turn.state.durable, ...patch };
  const id = effect(turn, { kind: "persist", record });
  change(turn, { persisting: { id, record } });
  return true;
}

export function log(turn: PoolTurn, event: string, detail: string, level: "info" | "warn" | "error" = "info"): void {
  turn.actions.push({ kind: "log", level, event, detail });
}

export function alert(turn: PoolTurn, id: string, text: string): void {
  turn.actions.push({ kind: "alert", id, text });
}
