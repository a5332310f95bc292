// The parameters as the pool's database has them: read, checked, and the last good value where one is bad. Pure.

import { InvariantError } from "../util/assert.ts";
import type { Source } from "./config.ts";
import type { EffectiveInput } from "./effective.ts";
import type { Parameter } from "./parameter.ts";
import { findParameter, isReservedName, parametersOf, parseParameter, unknownNameAdvice } from "./parameters.ts";
import type { Problem } from "./problem.ts";
import { formatValue, type Value } from "./value.ts";

/** Prefix of our keys in the pool's other-config. */
export const POOL_KEY_PREFIX = "tandem:";

export interface Entry {
  readonly value: Value;
  readonly source: Source;
}

export type Entries = Map<string, Entry>;

export function defaultOf(one: Parameter): Entry {
  const parsed = parseParameter(one, one.initial ?? "");
  if (!parsed.ok) throw new InvariantError(`default of ${one.name} is not valid: ${one.initial ?? "none"}`);
  return { value: parsed.value, source: "default" };
}

export function lastGoodOf(one: Parameter, lastGood: Readonly<Record<string, string>> | null): Entry {
  const text = lastGood?.[one.name];
  if (text === undefined) return defaultOf(one);
  const parsed = parseParameter(one, text);
  return parsed.ok ? { value: parsed.value, source: "last-good" } : defaultOf(one);
}

/** What stays in force, said in the problem; without a last good value HA must stay off (spec part 3). */
export function fallback(lastGood: Readonly<Record<string, string>> | null): {
  readonly severity: Problem["severity"];
  readonly words: string;
} {
  return lastGood === null
    ? { severity: "error", words: "there is no last good value, so HA stays off" }
    : { severity: "warning", words: "the last good value stays in force" };
}

export interface PoolRead {
  readonly entries: Entries;
  readonly problems: Problem[];
  readonly secretsToMove: { name: string; key: string; value: string }[];
}

/** Our keys of other-config by canonical name. */
function poolTexts(
  pool: Readonly<Record<string, string>>,
  problems: Problem[],
): Map<string, { readonly key: string; readonly text: string }> {
  const texts = new Map<string, { key: string; text: string }>();
  for (const [key, text] of Object.entries(pool).toSorted(([left], [right]) => (left < right ? -1 : 1))) {
    if (!key.startsWith(POOL_KEY_PREFIX)) continue;
    const name = key.slice(POOL_KEY_PREFIX.length);
    const one = findParameter("pool", name);
    const at = { path: `pool ${key}`, line: null, severity: "warning" as const };
    if (one === undefined) {
      // Names in lower case are our own records (history, state), not parameters.
      if (/^[A-Z]/.test(name) && !isReservedName(name)) {
        problems.push({
          ...at,
          found: "an unknown parameter",
          expected: "a pool parameter",
          action: unknownNameAdvice("pool", name),
        });
      }
    } else if (texts.has(one.name)) {
      problems.push({
        ...at,
        found: `${one.name} twice, in different case`,
        expected: "one key",
        action: `remove one of the two; ${texts.get(one.name)?.key ?? ""} counts`,
      });
    } else {
      texts.set(one.name, { key, text });
    }
  }
  return texts;
}

export function readPool(input: EffectiveInput): PoolRead {
  const { lastGood } = input;
  const read: PoolRead = { entries: new Map(), problems: [], secretsToMove: [] };
  const { severity, words } = fallback(lastGood);
  if (input.pool === null) {
    read.problems.push({
      path: "the pool's other-config",
      line: null,
      severity,
      found: "no answer from XAPI",
      expected: "the pool parameters",
      action:
        lastGood === null
          ? "there is no last good copy, so HA stays off; check `xe pool-list`"
          : "the last good copy stays in force; check `xe pool-list`",
    });
  }
  const texts = poolTexts(input.pool ?? {}, read.problems);
  for (const one of parametersOf("pool")) {
    const found = texts.get(one.name);
    if (one.secret) {
      readSecret(one, found, input, read);
      continue;
    }
    if (found === undefined) {
      read.entries.set(one.name, input.pool === null ? lastGoodOf(one, lastGood) : defaultOf(one));
      continue;
    }
    const parsed = parseParameter(one, found.text);
    if (parsed.ok) {
      read.entries.set(one.name, { value: parsed.value, source: "pool" });
      const isNew = one.deprecated !== null && formatValue(one.type, parsed.value) !== one.initial;
      if (isNew) {
        read.problems.push({
          path: `pool ${found.key}`,
          line: null,
          severity: "warning",
          found: found.text,
          expected: one.initial ?? "",
          action: one.deprecated,
        });
      }
    } else {
      read.entries.set(one.name, lastGoodOf(one, lastGood));
      read.problems.push({
        path: `pool ${found.key}`,
        line: null,
        severity,
        ...parsed.error,
        action: `${words}; use \`ha-cfg set ${one.name} ...\``,
      });
    }
  }
  return read;
}

/** A secret in other-config is readable by every XAPI role: it is used, reported and handed out to be moved. */
function readSecret(
  one: Parameter,
  found: { readonly key: string; readonly text: string } | undefined,
  input: EffectiveInput,
  read: PoolRead,
): void {
  const open = found !== undefined && found.text !== "";
  if (open) {
    read.secretsToMove.push({ name: one.name, key: found.key, value: found.text });
    read.problems.push({
      path: `pool ${found.key}`,
      line: null,
      severity: "warning",
      found: "a password that every XAPI user can read",
      expected: "a XAPI Secret",
      action: "it is moved there now; change the password, it may have been read",
    });
  }
  const text = open ? found.text : input.secrets[one.name];
  const parsed = text === undefined ? undefined : parseParameter(one, text);
  if (parsed !== undefined && !parsed.ok)
    read.problems.push({
      path: one.name,
      line: null,
      severity: "error",
      ...parsed.error,
      action: `set it again with \`ha-cfg set ${one.name} ...\``,
    });
  read.entries.set(
    one.name,
    parsed?.ok === true ? { value: parsed.value, source: open ? "pool" : "secret" } : defaultOf(one),
  );
}
