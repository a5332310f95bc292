// The witness on the management switch: the real decision on grants, behind a network that may be cut per host. Its table
// is durable: it survives everything but being emptied by a test.

import type { WitnessAnswer } from "../../src/core/model/witness.ts";
import type { Action } from "../../src/core/plan/action.ts";
import { decide, type GrantTable } from "../../src/witness/grants.ts";
import { onSwitch } from "./network.ts";
import type { HostName } from "./settings.ts";
import type { Host, Sim } from "./sim.ts";

export interface Witness {
  up: boolean;
  /** Whose packets reach it and whose answers come back, besides the host's own port on the switch. */
  reached: Record<HostName, boolean>;
  /** World time at which its process started (A17). */
  startedAt: number;
  table: GrantTable;
  stamp: number;
}

export const createWitness = (): Witness => ({
  up: true,
  reached: { a: true, b: true },
  startedAt: -Infinity,
  table: {},
  stamp: 0,
});

/** A process that comes back knows its table and no stamp of the old one. */
export function startWitness({ witness, now, nextId }: Sim): void {
  witness.up = true;
  witness.startedAt = now;
  witness.stamp = -nextId;
}

/** Asks at once and tells the answer; at the deadline the driver tells that there was none. */
export function askWitness(sim: Sim, h: Host, action: Action & { kind: "ask-witness" }): void {
  const { witness, network } = sim;
  const { daemons } = h;
  const there = (): boolean => witness.up && witness.reached[h.name] && onSwitch(network, h.name);
  const way = (): number => (sim.noisy ? sim.random.between(1, 120) : 20);
  let settled = false;
  const settle = (answers: readonly (WitnessAnswer | null)[]): void => {
    if (settled || h.daemons !== daemons) return;
    settled = true;
    sim.feed(h, { kind: "witness", id: action.id, answers });
  };
  sim.after(way(), () => {
    if (!there()) return;
    const decision = decide(
      witness.table,
      { poolId: h.config.poolId, host: h.name, request: action.request, seen: action.stamps[0] ?? null },
      { now: sim.now, startedAt: witness.startedAt, stamp: witness.stamp, nextStamp: sim.nextId++, rules: h.config },
    );
    witness.table = decision.table;
    witness.stamp = decision.stamp;
    sim.after(way(), () => {
      if (there()) settle([decision.answer]);
    });
  });
  sim.after(action.timeoutMs, () => settle([null]));
}
