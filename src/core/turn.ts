// One call of `step`: the state as it stands so far and the actions asked for. Local to the call, never kept.

import { mayHaveTaken } from "./facts.ts";
import type { AlarmId } from "./model/alarm.ts";
import type { DurableRecord } from "./model/durable.ts";
import type { PeerRequest } from "./model/peer.ts";
import type { State } from "./model/state.ts";
import type { Instant, Millis } from "./model/time.ts";
import type { Action, EffectBody } from "./plan/action.ts";

export interface Turn {
  state: State;
  readonly now: Instant;
  readonly actions: Action[];
}

export function change(turn: Turn, patch: Partial<State>): void {
  turn.state = { ...turn.state, ...patch };
}

export function newId(turn: Turn): number {
  const id = turn.state.nextId;
  change(turn, { nextId: id + 1 });
  return id;
}

/** Asks for an effect and returns the id its result will carry. */
export function effect(turn: Turn, body: EffectBody): number {
  const id = newId(turn);
  turn.actions.push({ ...body, id });
  return id;
}

export function ask(turn: Turn, request: PeerRequest, timeoutMs: Millis): number {
  const id = newId(turn);
  turn.actions.push({ kind: "ask", id, request, timeoutMs });
  return id;
}

/**
 * May this be written now? Not while another write is in flight or failed a moment ago, nor in an epoch before that of a
 * commit which may be on the disk (V6): that one is written first.
 */
export const writable = ({ state, now }: Turn, patch: Partial<DurableRecord>): boolean =>
  state.persisting === null &&
  now >= state.persistAfter &&
  (state.solo === null || (patch.epoch ?? state.durable.epoch) >= (state.unsure ?? 0));

/** Starts writing the durable record; undefined while that must wait (ask again next turn). */
export function persist(turn: Turn, patch: Partial<DurableRecord>, purpose: string): number | undefined {
  const { state } = turn;
  if (!writable(turn, patch)) return undefined;
  const record = {
    ...state.durable,
    ...(mayHaveTaken(state) ? { epoch: Math.max(state.durable.epoch, state.unsure ?? 0) } : {}),
    ...patch,
  };
  const id = effect(turn, { kind: "persist", record });
  change(turn, { persisting: { id, record, purpose } });
  return id;
}

export function log(turn: Turn, event: string, detail: string, level: "info" | "warn" | "error" = "info"): void {
  turn.actions.push({ kind: "log", level, event, detail });
}

/** What ends it is in decide/alarms.ts. */
export function alert(turn: Turn, id: AlarmId, text: string): void {
  turn.actions.push({ kind: "alert", id, text });
  if (!turn.state.alarms.includes(id)) change(turn, { alarms: [...turn.state.alarms, id] });
}
