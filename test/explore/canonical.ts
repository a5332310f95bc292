// One representative for every class of daemon states that `step` cannot tell apart.
//
// Why this is sound: `step` uses instants only in differences and comparisons with `now`, epochs only in comparisons and
// small differences, ids only for equality. So instants are kept relative to `now`, and those further back than every
// wait of the core are moved to that horizon; epochs are kept relative to the epoch on disk; ids are renumbered in their
// order. What only a person reads is dropped. `audit.ts` tries each of these claims on the function itself while the
// search runs, and the compiler asks for a line here when the state gets a new field.

import type { DurableRecord } from "../../src/core/model/durable.ts";
import type { PeerRequest } from "../../src/core/model/peer.ts";
import type { State } from "../../src/core/model/state.ts";
import type { WitnessRequest } from "../../src/core/model/witness.ts";
import type { Effect } from "../../src/core/plan/action.ts";
import { stateOf } from "./canonical-state.ts";
import { Frame, shiftRecord, shiftRequest, type Kept } from "./frame.ts";

/** What a host asked of the world and has no answer to yet, in the order of asking. */
export type Outstanding =
  | { readonly kind: "effect"; readonly id: number; readonly effect: Effect }
  | {
      readonly kind: "ask";
      readonly id: number;
      readonly request: PeerRequest;
      readonly timeoutMs: number;
      /** The request's number at the other host. */
      readonly slot: number;
      readonly ageTicks: number;
      readonly delivered: boolean;
    }
  | {
      readonly kind: "round";
      readonly id: number;
      readonly request: WitnessRequest;
      readonly stamp: number | null;
    }
  | { readonly kind: "sample"; readonly id: number }
  | { readonly kind: "probe"; readonly id: number };

/** One host's software: the daemon's memory (null while it is down), its disk, and what it waits for. */
export interface Local {
  readonly state: State | null;
  readonly disk: DurableRecord;
  readonly out: readonly Outstanding[];
  /** Codes (host.ts) of what the daemon saw last of its host; -1 = it has not looked. */
  readonly told: { readonly drbd: number; readonly rest: number };
}

/** A daemon that has not looked at its host. */
export const BLIND: Local["told"] = { drbd: -1, rest: -1 };

export interface Canonical {
  readonly local: Local;
  /** How far the epochs were moved. */
  readonly epochShift: number;
}

const NO_IDS: ReadonlyMap<number, number> = new Map();

function idsOf(state: State | null, out: readonly Outstanding[]): ReadonlyMap<number, number> {
  const ids = out.map((o) => o.id);
  if (state !== null) {
    const { solo, activity, handover, claim, isolated, recovery, promotion } = state;
    const add = (id: number | null | undefined): void => {
      if (id !== null && id !== undefined) ids.push(id);
    };
    add(state.persisting?.id);
    add(state.votes.pending?.id);
    add(state.witness.pending?.id);
    add(state.probes.pending);
    add(state.fence.pending);
    add(solo?.pending);
    add(handover?.pending);
    add(claim?.id);
    add(isolated?.id);
    if (recovery?.phase === "running") add(recovery.id);
    if (promotion?.phase === "running") add(promotion.id);
    if (activity !== null) ids.push(...activity.pending);
    for (const c of state.commands) add(c.pending);
    for (const o of state.owed) ids.push(...o.waitingFor);
    for (const name in state.repairs) add(state.repairs[name]?.id);
  }
  if (ids.length === 0) return NO_IDS;
  const sorted = [...new Set(ids)].filter((id) => id >= 0).toSorted((a, b) => a - b);
  return new Map(sorted.map((id, index) => [id, index + 1]));
}

function outstanding(o: Outstanding, f: Frame): Outstanding {
  const id = f.id(o.id);
  if (o.kind === "ask") return { ...o, id, request: shiftRequest(o.request, (e) => f.epoch(e)) };
  if (o.kind === "round") return { ...o, id, request: { ...o.request, epoch: f.epoch(o.request.epoch) } };
  if (o.kind !== "effect") return { ...o, id };
  const { effect } = o;
  if (effect.kind !== "persist") return { kind: "effect", id, effect: { ...effect, id } };
  return { kind: "effect", id, effect: { ...effect, id, record: shiftRecord(effect.record, (e) => f.epoch(e)) } };
}

const nothingKept: Kept = (value) => value === null;

/** The representative of `local` as it is at `now`; the result's own now is 0. `alarms`: what was told tells apart too. */
export function canonical(local: Local, now: number, kept: Kept = nothingKept, alarms = false): Canonical {
  const frame = new Frame(now, local.disk.epoch, idsOf(local.state, local.out), kept, alarms);
  const state = local.state === null ? null : stateOf(local.state, frame);
  const disk = frame.keeps(local.disk) ? local.disk : shiftRecord(local.disk, (e) => frame.epoch(e));
  const out = frame.keeps(local.out) ? local.out : local.out.map((o) => outstanding(o, frame));
  return { local: { state, disk, out, told: local.told }, epochShift: local.disk.epoch };
}

/** Two representatives are one exactly when their texts are equal. */
export const textOf = ({ state, disk, out, told }: Local): string =>
  JSON.stringify([state === null ? null : { ...state, config: 0 }, disk, out, told]);
