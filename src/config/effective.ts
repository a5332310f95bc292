// default < pool (XAPI) < override: the merge, its checks, and the Config that everything else reads. Pure. A bad pool
// value never passes silently: the last good one stays in force and a problem says so.

import type { Timers } from "../core/model/config.ts";
import { buildConfig } from "./build.ts";
import type { Config, EffectiveParameter } from "./config.ts";
import { storageDefaults, type LocalFile } from "./local-file.ts";
import type { Parameter } from "./parameter.ts";
import type { Problem } from "./problem.ts";
import { parametersOf } from "./parameters.ts";
import { settleTimers } from "./pool-timers.ts";
import { defaultOf, readPool, type Entries, type Entry } from "./pool-values.ts";
import { readerOf } from "./reader.ts";
import { PROFILES, TIMER_NAMES, type ProfileTimers, type TimerProfile } from "./timers.ts";
import { describeType, formatValue } from "./value.ts";

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

/** Values of the local file that change nothing here, each with the reason. */
function withoutEffect({ storage, written }: LocalFile): readonly Problem[] {
  return parametersOf("storage").flatMap((one): readonly Problem[] => {
    const value = storage?.values[one.name];
    if (one.deprecated === null || value === undefined || !written.has(one.name)) return [];
    const found = formatValue(one.type, value);
    if (found === one.initial) return [];
    const path = `storage.${one.name}`;
    const action = `it has no effect: ${one.deprecated}`;
    return [{ path, line: null, severity: "warning", found, expected: one.initial ?? "", action }];
  });
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
    problems: [...read.problems, ...withoutEffect(input.local)],
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
