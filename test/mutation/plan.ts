// Short words for the recipes of the simulator.

import type { Policy } from "../../src/core/model/config.ts";
import type { Command } from "../../src/core/model/event.ts";
import type { Fault } from "../sim/faults.ts";
import type { Plan } from "../sim/schedule.ts";
import { NAMES, R, type HostName } from "../sim/settings.ts";
import { serves } from "../sim/sim.ts";
import type { World } from "../sim/world.ts";

/** These faults, healed a while after the last one. */
export function plan(policy: Policy, faults: readonly Fault[], patch: Partial<Plan> = {}): Omit<Plan, "seed"> {
  const healAt = Math.max(...faults.map((fault) => fault.at)) + 30_000;
  return { policy, tickMs: 100, resources: [R], heuristics: ["gateway"], faults, healAt, ...patch };
}

export const command = (at: number, host: HostName, what: Command): Fault => ({
  at,
  kind: "command",
  host,
  command: what,
});

/** V11: after this, storage is there for everybody. */
export const someoneServes = ({ sim }: World): string | undefined =>
  NAMES.some((name) => serves(sim, sim.hosts[name])) ? undefined : "V11 no host serves";

export const servesOn =
  (name: HostName) =>
  ({ sim }: World): string | undefined =>
    serves(sim, sim.hosts[name]) ? undefined : `V11 ${name} does not serve`;
