// Starts a sequence of effects; what it does stage by stage is in plan/sequence.ts.

import type { DurableRecord } from "../model/durable.ts";
import type { Activity } from "../model/state.ts";
import { change, log, type Turn } from "../turn.ts";

export interface Beginning {
  readonly kind: Activity["kind"];
  readonly why: string;
  readonly token?: string | null;
  readonly to?: "peer" | "nobody";
  readonly record?: Partial<DurableRecord> | null;
}

/** Starts a sequence; one that is in flight is dropped (its effects end by themselves, their results are not waited for). */
export function begin(turn: Turn, beginning: Beginning): void {
  const { kind, why } = beginning;
  if (kind === "activate") log(turn, "storage.activating", why);
  if (kind === "release") {
    log(turn, "storage.releasing", why);
    // From here on the other copy may become the newer one (A2).
    change(turn, { syncedEpoch: null });
  }
  if (kind === "stand-down") log(turn, "storage.releasing", why, "warn");
  change(turn, {
    activity: {
      kind,
      why,
      stage: 0,
      pending: [],
      failed: null,
      startedAt: turn.now,
      token: beginning.token ?? null,
      to: beginning.to ?? "nobody",
      record: beginning.record ?? null,
      begun: false,
    },
  });
}
