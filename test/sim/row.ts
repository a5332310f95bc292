// A row of protocol.md 9 or of the scenario matrix as data: faults at their times in the world without noise, and the end
// that is demanded of it. Every invariant holds on the way, except where a row says which one its policy cannot keep.

import type { Policy } from "../../src/core/model/config.ts";
import type { Fault } from "./faults.ts";
import { inject } from "./inject.ts";
import { NAMES, type HostName } from "./settings.ts";
import { servingWorld, type World } from "./world.ts";

export interface Row {
  /** Rows of protocol.md 9 by their first column, and of the matrix by number, that it stands for. */
  readonly section9: readonly string[];
  readonly matrix: readonly number[];
  readonly policies: readonly Policy[];
  /** Milliseconds after the storage serves on a, both copies in sync, vm-a on a and vm-b on b. */
  readonly faults: readonly Fault[];
  /** How long after the last fault the end is looked at. */
  readonly settleMs: number;
  readonly expect: Partial<Record<Policy, Expectation>> & { readonly all?: Expectation };
}

export interface Expectation {
  /** Who serves at the end. */
  readonly serves: HostName | "nobody";
  /** The longest time, from the first fault on, in which no write of the VMs was acknowledged; absent: not bounded. */
  readonly stallMs?: number;
  /** Hosts without power at the end. */
  readonly off?: readonly HostName[];
  /** Where vm-a and vm-b execute at the end; default: each at home. */
  readonly vms?: Readonly<Record<"a" | "b", HostName | "nowhere">>;
  /** What a person was told, in an alert, as the reason of a block, or in the answer to a command. */
  readonly told?: RegExp;
  /** This host served at no moment after the first fault. */
  readonly never?: HostName;
  /** Outside the policy's hypothesis (H1): the invariants that are expected to break. */
  readonly breaks?: RegExp;
}

export const ALL: readonly Policy[] = ["vote", "strict", "strict+vote", "witness"];

/** Both hosts lose their power, their copies grow apart, and both come back. */
export const GROWN_APART: readonly Fault[] = [
  { at: 0, kind: "power-loss", host: "a", backMs: null },
  { at: 100, kind: "power-loss", host: "b", backMs: null },
  { at: 200, kind: "grown-apart" },
  { at: 2_000, kind: "power-on", host: "a" },
  { at: 2_000, kind: "power-on", host: "b" },
];

export interface RowOutcome {
  readonly serves: HostName | "nobody";
  readonly stallMs: number;
  readonly off: readonly HostName[];
  readonly vms: Readonly<Record<"a" | "b", HostName | "nowhere">>;
  readonly served: readonly HostName[];
  readonly told: readonly string[];
  readonly violations: readonly string[];
  readonly world: World;
}

const LOOK_MS = 50;

export function runRow(row: Row, policy: Policy): RowOutcome {
  const world = servingWorld({ policy });
  const { sim } = world;
  const begun = world.now;
  const told = sim.log.length;
  for (const fault of row.faults) sim.after(fault.at, () => inject(world, fault));
  const served = new Set<HostName>();
  let stallMs = 0;
  let { acked } = world;
  let since = begun;
  const end = begun + Math.max(...row.faults.map(({ at }) => at)) + row.settleMs;
  while (world.now < end) {
    world.run(LOOK_MS);
    const now = NAMES.filter((name) => world.serving(name));
    for (const name of now) served.add(name);
    if (world.acked > acked) since = world.now;
    acked = world.acked;
    stallMs = Math.max(stallMs, world.now - since);
  }
  return {
    serves: NAMES.find((name) => world.serving(name)) ?? "nobody",
    stallMs,
    off: NAMES.filter((name) => !world.hosts[name].power),
    vms: { a: placeOf(world, "vm-a"), b: placeOf(world, "vm-b") },
    served: [...served],
    told: [
      ...sim.log.slice(told).flatMap(({ event, detail }) => (/^(alert|reply)\./.test(event) ? [detail] : [])),
      ...NAMES.flatMap((name) => world.hosts[name].state?.blocked ?? []),
    ],
    violations: world.violations,
    world,
  };
}

const placeOf = (world: World, vm: string): HostName | "nowhere" =>
  NAMES.find((name) => world.hosts[name].domains.get(vm)?.paused === false) ?? "nowhere";

/** What was demanded and did not come; empty = the row holds. */
export function missing(expected: Expectation, outcome: RowOutcome): readonly string[] {
  const { serves, stallMs, off = [], vms = { a: "a", b: "b" }, told, never, breaks } = expected;
  const wrong: string[] = [];
  const demand = (holds: boolean, text: string): void => {
    if (!holds) wrong.push(text);
  };
  if (breaks !== undefined) {
    demand(
      outcome.violations.some((text) => breaks.test(text)),
      `nothing breaks ${breaks}: ${outcome.violations.join("; ")}`,
    );
    return wrong;
  }
  for (const text of outcome.violations) wrong.push(text);
  demand(outcome.serves === serves, `${outcome.serves} serves, expected ${serves}`);
  demand(stallMs === undefined || outcome.stallMs <= stallMs, `stalled for ${outcome.stallMs} of ${stallMs} ms`);
  demand(String(outcome.off) === String(off), `without power: ${outcome.off.join()}; expected ${off.join()}`);
  for (const vm of ["a", "b"] as const)
    demand(outcome.vms[vm] === vms[vm], `vm-${vm} executes on ${outcome.vms[vm]}, expected ${vms[vm]}`);
  demand(told === undefined || outcome.told.some((text) => told.test(text)), `nobody was told ${told}`);
  demand(never === undefined || !outcome.served.includes(never), `${never} served`);
  return wrong;
}
