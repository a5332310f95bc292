// What may be written into the pool's database. Pure.

import { effectiveConfig, type EffectiveInput } from "./effective.ts";
import { findParameter, parametersOf, unknownNameAdvice } from "./parameters.ts";
import { POOL_KEY_PREFIX } from "./pool-values.ts";
import { describeProblem } from "./problem.ts";

/**
 * What `ha-cfg insert` writes: the defaults of the pool parameters, keys included. Timers are left out (a written one
 * would stay when TIMER_PROFILE changes), so are secrets, switches of single areas, and whatever is set already unless
 * `overwrite`. Never the values in force: they may come from an override of this one host.
 */
export function insertable(pool: Readonly<Record<string, string>>, overwrite: boolean): Record<string, string> {
  const present = new Set(Object.keys(pool).map((key) => key.toUpperCase()));
  return Object.fromEntries(
    parametersOf("pool").flatMap((one) => {
      const key = `${POOL_KEY_PREFIX}${one.name}`;
      const isWanted = one.initial !== null && one.initial !== "" && !one.secret && one.group !== "family";
      return isWanted && (overwrite || !present.has(key.toUpperCase())) ? [[key, one.initial]] : [];
    }),
  );
}

/**
 * What `ha-cfg set` must ask before it writes: would the pool's values still be valid with these changes? Timers depend
 * on one another, so several may be changed at once; null takes a key out. Every reason of a refusal; empty: write them.
 */
export function refusalsOfChanges(input: EffectiveInput, changes: Changes): string[] {
  const unknownNames = Object.keys(changes).filter((name) => findParameter("pool", name) === undefined);
  const before = new Set(errorsOf(input));
  const after = errorsOf({ ...input, pool: withChanges(input.pool ?? {}, changes) });
  const unknownSaid = unknownNames.map(
    (name) => `Cannot set ${name}: found no parameter of that name; ${unknownNameAdvice("pool", name)}`,
  );
  return [...unknownSaid, ...after.filter((one) => !before.has(one))];
}

/** Parameter name to its new text; null: the key is taken out, so the default counts. */
export type Changes = Readonly<Record<string, string | null>>;

/** other-config as it will be. */
export function withChanges(
  pool: Readonly<Record<string, string>>,
  changes: Changes,
): Readonly<Record<string, string>> {
  const names = new Set(Object.keys(changes).map((name) => `${POOL_KEY_PREFIX}${name}`.toUpperCase()));
  const kept = Object.entries(pool).filter(([key]) => !names.has(key.toUpperCase()));
  const changed = Object.entries(changes).flatMap(([name, text]) =>
    text === null ? [] : [[`${POOL_KEY_PREFIX}${name}`, text] as const],
  );
  return Object.fromEntries([...kept, ...changed]);
}

/** Judged without a last good value to fall back to. */
function errorsOf(input: EffectiveInput): string[] {
  return effectiveConfig({ ...input, lastGood: null })
    .config.problems.filter((one) => one.severity === "error")
    .map(describeProblem);
}
