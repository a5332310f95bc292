// A seed as a whole schedule, on the storage pair alone or on a pool of three hosts and more: planned, run, shortened.

import type { LogLine } from "./stage.ts";
import { hostState, outcome as sentence } from "../../src/core/view.ts";
import { describeFault } from "./faults.ts";
import { describePoolFault } from "./pool/faults.ts";
import { poolPlanOf, runPoolPlan, type PoolPlanOptions } from "./pool/schedule.ts";
import { planOf, runPlan, shrink, type PlanOptions } from "./schedule.ts";

export interface PlayOptions extends PlanOptions, PoolPlanOptions {
  /** Sizes of pools to draw from; 2 alone: the storage pair. */
  readonly hosts: readonly number[];
}

export interface Played {
  /** Policy and size. */
  readonly title: string;
  readonly faults: readonly { readonly at: number; readonly kind: string; readonly words: string }[];
  readonly violations: readonly string[];
  /** H1 did not hold (VOTE, STRICT+VOTE): what happened then proves nothing, the schedule does not count. */
  readonly outside: boolean;
  readonly injected: number;
  readonly virtualMs: number;
  readonly steps: number;
  /** From healing to a pool that is settled; null when that did not happen. */
  readonly convergedMs: number | null;
  readonly log: readonly LogLine[];
  /** How each host ended. */
  readonly ends: () => readonly string[];
}

const isPair = ({ hosts }: PlayOptions): boolean => hosts.every((size) => size === 2);

/** The schedule of this seed; `short`: the shortest one that still breaks what it breaks. */
export const play = (seed: number, options: PlayOptions, short = false): Played =>
  isPair(options) ? playPair(seed, options, short) : playPool(seed, options, short);

function playPair(seed: number, options: PlayOptions, short: boolean): Played {
  const run = (plan: ReturnType<typeof planOf>) => runPlan(plan, options);
  const whole = planOf(seed, options);
  const { plan, outcome } = short ? shrink(whole, run) : { plan: whole, outcome: run(whole) };
  return {
    ...outcome,
    title: `policy ${plan.policy}${plan.parameters === undefined ? "" : ` ${JSON.stringify(plan.parameters)}`}, tick ${plan.tickMs} ms, healed at ${plan.healAt} ms`,
    faults: plan.faults.map((fault) => ({ at: fault.at, kind: fault.kind, words: describeFault(fault) })),
    injected: outcome.faults,
    ends: () =>
      Object.values(outcome.world.hosts).map(({ name, state }) =>
        state === null ? `${name}: down` : `${name}: ${hostState(state)}, ${sentence(state, state.lastTick)}`,
      ),
  };
}

function playPool(seed: number, options: PlayOptions, short: boolean): Played {
  const run = (plan: ReturnType<typeof poolPlanOf>) => runPoolPlan(plan, options);
  const whole = poolPlanOf(seed, options);
  const { plan, outcome } = short ? shrink(whole, run) : { plan: whole, outcome: run(whole) };
  const storage = plan.storage ? "a storage pair" : "no storage of ours";
  return {
    ...outcome,
    title: `policy ${plan.policy}, ${plan.hosts} hosts, ${storage}, tick ${plan.tickMs} ms, healed at ${plan.healAt} ms`,
    faults: plan.faults.map((fault) => ({
      at: fault.at,
      kind: fault.kind === "pair" ? `pair's ${fault.fault.kind}` : fault.kind,
      words: describePoolFault(fault),
    })),
    injected: outcome.faults,
    ends: () =>
      outcome.pool.members.map(({ machine, state }) => {
        if (state === null) return `${machine.name}: down`;
        const { durable, bars, dead, softFenced } = state;
        const words = `epoch ${durable.epoch}, follows ${durable.owner}, HA ${durable.ha}`;
        return `${machine.name}: ${words}, bars [${bars.join()}], dead [${dead.join()}]${softFenced ? ", fenced by itself" : ""}`;
      }),
  };
}
