// One test per rule: a sequence of events that is harmless with all rules and breaks something named without this one.
// The sentences of a scenario are the violated invariants, or the outcome that protocol.md promises and that failed.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RuleId } from "../../src/core/rules.ts";
import { servingWorld, type World, type WorldOptions } from "../sim/world.ts";

export type Scenario = (removed: readonly RuleId[]) => readonly string[];

export const covered = new Set<RuleId>();

export function mutation(rule: RuleId, title: string, broken: RegExp, scenario: Scenario): void {
  covered.add(rule);
  test(`${rule}: ${title}`, () => {
    assert.deepEqual(scenario([]), [], "with every rule in force");
    const without = scenario([rule]);
    assert.ok(
      without.some((sentence) => broken.test(sentence)),
      `without ${rule} nothing matches ${broken.source}: ${without.join("; ") || "nothing went wrong"}`,
    );
  });
}

export function worldWithout(removed: readonly RuleId[], options: WorldOptions = {}): World {
  return servingWorld({ ...options, config: { ...options.config, removedRules: removed } });
}

/** Violations of the world, and a sentence for each promise that was not kept. */
export const broken = (world: World, promises: Readonly<Record<string, boolean>> = {}): readonly string[] => [
  ...world.violations,
  ...Object.entries(promises)
    .filter(([, kept]) => !kept)
    .map(([promise]) => `not kept: ${promise}`),
];

/** Runs until the condition holds or the time is over; true when it held. */
export function soon(world: World, condition: () => boolean, limitMs: number): boolean {
  const end = world.now + limitMs;
  while (!condition() && world.now < end) world.run(50);
  return condition();
}

export function cut(world: World, host: "a" | "b"): void {
  world.links.management[host] = false;
  world.links.replication[host] = false;
}

export function mend(world: World, host: "a" | "b"): void {
  world.links.management[host] = true;
  world.links.replication[host] = true;
}
