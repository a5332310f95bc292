// default < pool (XAPI) < override: the merge, its checks, and the Config that everything else reads. Pure. A bad pool
// value never passes silently: the last good one stays in force and a problem says so.

import type { Timers } from "../core/model/config.ts";
import { InvariantError } from "../util/assert.ts";
import { buildConfig, type Reader } from "./build.ts";
import type { Config, EffectiveParameter, Source } from "./config.ts";
import type { LocalFile } from "./local-file.ts";
import { storageDefaults } from "./local-file.ts";
import {
  findParameter,
  isReservedName,
  parametersOf,
  parseParameter,
  unknownNameAdvice,
  type Parameter,
} from "./parameters.ts";
import { describeProblem, type Problem } from "./problem.ts";
import {
  checkTimers,
  deriveTimers,
  PROFILES,
  TIMER_NAMES,
  type ProfileTimers,
  type TimerInput,
  type TimerProfile,
} from "./timers.ts";
import { describeType, formatValue, type Value } from "./value.ts";

/** Prefix of our keys in the pool's other-config. */
export const POOL_KEY_PREFIX = "tandem:";

export interface EffectiveInput {
  readonly local: LocalFile;
  /** other-config of the pool; null when it could not be read: the last good values are used. */
  readonly pool: Readonly<Record<string, string>> | null;
  /** `lastGood` of the previous result, kept by the caller over restarts; null when there never was one. */
  readonly lastGood: Readonly<Record<string, string>> | null;
  /** Values of XAPI Secrets by parameter name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Identifies the peer key without giving it away (I-f). */
  readonly keyId: string;
}

export interface EffectiveResult {
  readonly config: Config;
  /** To be kept for the next call; holds no secret. Null: nothing good was ever read. */
  readonly lastGood: Readonly<Record<string, string>> | null;
  /** Secrets found in the open in other-config: to be moved into XAPI Secrets and removed there, with an alert. */
  readonly secretsToMove: readonly { readonly name: string; readonly key: string; readonly value: string }[];
}

interface Entry {
  readonly value: Value;
  readonly source: Source;
}

type Entries = Map<string, Entry>;

function defaultOf(one: Parameter): Entry {
  const parsed = parseParameter(one, one.initial ?? "");
  if (!parsed.ok) throw new InvariantError(`default of ${one.name} is not valid: ${one.initial ?? "none"}`);
  return { value: parsed.value, source: "default" };
}

function lastGoodOf(one: Parameter, lastGood: Readonly<Record<string, string>> | null): Entry {
  const text = lastGood?.[one.name];
  if (text === undefined) return defaultOf(one);
  const parsed = parseParameter(one, text);
  return parsed.ok ? { value: parsed.value, source: "last-good" } : defaultOf(one);
}

/** What stays in force, said in the problem; without a last good value HA must stay off (spec part 3). */
function fallback(lastGood: Readonly<Record<string, string>> | null): {
  readonly severity: Problem["severity"];
  readonly words: string;
} {
  return lastGood === null
    ? { severity: "error", words: "there is no last good value, so HA stays off" }
    : { severity: "warning", words: "the last good value stays in force" };
}

interface PoolRead {
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

function readPool(input: EffectiveInput): PoolRead {
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

function valueOf(entries: Entries, name: string): Value {
  const entry = entries.get(name);
  if (entry === undefined) throw new InvariantError(`no parameter ${name}`);
  return entry.value;
}

/** Typed access; a wrong name or type is a bug of ours, not of the configuration. */
export function readerOf(entries: ReadonlyMap<string, { readonly value: Value }>): Reader {
  const get = (name: string): Value => {
    const entry = entries.get(name);
    if (entry === undefined) throw new InvariantError(`no parameter ${name}`);
    return entry.value;
  };
  const number = (name: string): number => {
    const value = get(name);
    if (typeof value !== "number") throw new InvariantError(`${name} is no number`);
    return value;
  };
  return {
    number,
    flag: (name) => number(name) === 1,
    text(name): string {
      const value = get(name);
      if (typeof value !== "string") throw new InvariantError(`${name} is no text`);
      return value;
    },
    list(name): readonly string[] {
      const value = get(name);
      if (value === null || typeof value === "number" || typeof value === "string")
        throw new InvariantError(`${name} is no list`);
      return value;
    },
  };
}

function timerInput(entries: Entries): TimerInput {
  const read = readerOf(entries);
  const single: { -readonly [Key in keyof ProfileTimers]?: number } = {};
  for (const key of Object.keys(TIMER_NAMES) as (keyof ProfileTimers)[]) {
    const value = valueOf(entries, TIMER_NAMES[key]);
    if (typeof value === "number") single[key] = value;
  }
  return {
    // The choice type allows nothing else.
    profile: read.text("TIMER_PROFILE") as TimerProfile,
    fastDetect: read.flag("FAST_DETECT"),
    xapiCount: read.number("XAPI_COUNT"),
    xapiDelayMs: read.number("XAPI_DELAY"),
    managementGraceMs: read.number("MGT_LINK_LOSS_TOLERANCE"),
    single,
  };
}

/** A set of timers that contradicts itself is refused as a whole: single values of two sets do not fit together. */
function settleTimers(read: PoolRead, lastGood: Readonly<Record<string, string>> | null): Timers {
  const timers = deriveTimers(timerInput(read.entries));
  const violations = checkTimers(timers);
  if (violations.length === 0) return timers;
  const { severity, words } = fallback(lastGood);
  for (const one of violations) {
    read.problems.push({
      path: "the timers of the pool",
      line: null,
      severity,
      found: one.message,
      expected: `timers that keep ${one.rule}`,
      action: words,
    });
  }
  for (const one of parametersOf("pool").filter((candidate) => candidate.group === "timer"))
    read.entries.set(one.name, lastGoodOf(one, lastGood));
  const old = deriveTimers(timerInput(read.entries));
  if (checkTimers(old).length === 0) return old;
  // A last good set of an older version of this program that is not good any more.
  for (const one of parametersOf("pool").filter((candidate) => candidate.group === "timer"))
    read.entries.set(one.name, defaultOf(one));
  read.problems.push({
    path: "the last good timers",
    line: null,
    severity: "error",
    found: "a contradiction",
    expected: "a set that this version accepts",
    action: "the defaults are shown and HA stays off; set TIMER_PROFILE",
  });
  return deriveTimers(timerInput(read.entries));
}

function textOf(one: Parameter, entry: Entry): string {
  const text = formatValue(one.type, entry.value);
  return one.secret && text !== "" ? "[set]" : text;
}

function listParameters(entries: Entries, local: LocalFile, timers: Timers): readonly EffectiveParameter[] {
  const timerOf = new Map(Object.entries(TIMER_NAMES).map(([key, name]) => [name, timers[key as keyof ProfileTimers]]));
  const profile = PROFILES[readerOf(entries).text("TIMER_PROFILE") as TimerProfile];
  const profileOf = new Map(
    Object.entries(TIMER_NAMES).map(([key, name]) => [name, profile[key as keyof ProfileTimers]]),
  );
  const row = (one: Parameter, entry: Entry): EffectiveParameter => {
    const byProfile = one.group === "timer" && entry.value === null;
    const shown = byProfile ? { value: timerOf.get(one.name) ?? null, source: "profile" as const } : entry;
    return {
      name: one.name,
      scope: one.scope,
      group: one.group,
      value: textOf(one, shown),
      source: shown.source,
      isDefault: byProfile || formatValue(one.type, entry.value) === one.initial,
      perHost: one.perHost,
      summary: one.summary,
      initial:
        one.group === "timer" && one.initial === ""
          ? formatValue(one.type, profileOf.get(one.name) ?? null)
          : (one.initial ?? ""),
      expected: describeType(one.type),
    };
  };
  const poolRows = parametersOf("pool").map((one) => row(one, entries.get(one.name) ?? defaultOf(one)));
  const values = local.storage?.values;
  const storageRows = parametersOf("storage").flatMap((one) => {
    const value = values?.[one.name];
    return value === undefined ? [] : [row(one, { value, source: local.written.has(one.name) ? "file" : "default" })];
  });
  return [...poolRows, ...storageRows];
}

/** What a later call may fall back to: every pool value in force before overrides, secrets left out. */
function keepable(entries: Entries): Record<string, string> {
  return Object.fromEntries(
    parametersOf("pool").flatMap((one) => {
      const entry = entries.get(one.name);
      return one.secret || entry === undefined ? [] : [[one.name, formatValue(one.type, entry.value)]];
    }),
  );
}

export function effectiveConfig(input: EffectiveInput): EffectiveResult {
  const read = readPool(input);
  const timers = settleTimers(read, input.lastGood);
  const failed = read.problems.some((one) => one.severity === "error");
  // A first read with errors leaves nothing that deserves the name "last good".
  const lastGood = failed ? input.lastGood : keepable(read.entries);
  for (const [name, value] of Object.entries(input.local.overrides))
    read.entries.set(name, { value, source: "override" });
  const storageValues = input.local.storage?.values ?? storageDefaults();
  const storage = readerOf(new Map(Object.entries(storageValues).map(([name, value]) => [name, { value }])));
  const config = buildConfig({
    local: input.local,
    pool: readerOf(read.entries),
    storage,
    timers,
    keyId: input.keyId,
    parameters: listParameters(read.entries, input.local, timers),
    problems: read.problems,
  });
  return { config: deepFreeze(config), lastGood, secretsToMove: read.secretsToMove };
}

/** Nobody may change a configuration in force; a bug that tries throws. */
function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === "object" && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}

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
 * on one another, so several may be changed at once. Every reason of a refusal; empty: write them.
 */
export function refusalsOfChanges(input: EffectiveInput, changes: Readonly<Record<string, string>>): string[] {
  const unknownNames = Object.keys(changes).filter((name) => findParameter("pool", name) === undefined);
  const names = new Set(Object.keys(changes).map((name) => `${POOL_KEY_PREFIX}${name}`.toUpperCase()));
  const kept = Object.entries(input.pool ?? {}).filter(([key]) => !names.has(key.toUpperCase()));
  const changed = Object.entries(changes).map(([name, text]) => [`${POOL_KEY_PREFIX}${name}`, text] as const);
  const before = new Set(errorsOf(input));
  const after = errorsOf({ ...input, pool: Object.fromEntries([...kept, ...changed]) });
  const unknownSaid = unknownNames.map(
    (name) => `Cannot set ${name}: found no parameter of that name; ${unknownNameAdvice("pool", name)}`,
  );
  return [...unknownSaid, ...after.filter((one) => !before.has(one))];
}

/** Judged without a last good value to fall back to. */
function errorsOf(input: EffectiveInput): string[] {
  return effectiveConfig({ ...input, lastGood: null })
    .config.problems.filter((one) => one.severity === "error")
    .map(describeProblem);
}
