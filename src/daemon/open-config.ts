// Opens the configuration and keeps it current: the local file, the pool's parameters, and the last good pool values kept
// over restarts. Never falls back to defaults silently: a file with errors is refused as a whole.

import type { Config } from "../config/config.ts";
import { effectiveConfig, type EffectiveInput } from "../config/effective.ts";
import type { LocalFile } from "../config/local-file.ts";
import { describeProblem } from "../config/problem.ts";
import { LOCAL_FILE, readLocalFile } from "../config/read-local-file.ts";
import { watchLocalFile } from "../config/watch.ts";
import { derivePeerKey } from "../drivers/peer/keys.ts";
import { createJsonCache } from "../drivers/store/json-cache.ts";
import { err, ok, type Result } from "../util/result.ts";

const CACHE_PATH = "/var/lib/tandem/pool-parameters.json";

export interface OpenConfig {
  config(): Config;
  input(): EffectiveInput;
  /** New values from the pool's database; the new configuration, or null when nothing changed. */
  poolChanged(otherConfig: Readonly<Record<string, string>>): Promise<Config | null>;
  /** Calls back with a validated configuration after each change of the local file. */
  onLocalChange(listener: (config: Config | null) => void, onProblems: (problems: readonly string[]) => void): void;
  stop(): void;
}

export async function openConfig(
  path: string | undefined,
  secret: Uint8Array,
): Promise<Result<OpenConfig, readonly string[]>> {
  const read = await readLocalFile(path ?? LOCAL_FILE);
  if (!read.ok) return err(read.error.map(describeProblem));
  const cache = createJsonCache(CACHE_PATH, parseStrings);
  let local: LocalFile = read.value;
  let pool: Readonly<Record<string, string>> | null = null;
  let lastGood = await cache.load();
  const keyId = String(derivePeerKey(secret, local.poolId).keyId);
  const input = (): EffectiveInput => ({ local, pool, lastGood, secrets: {}, keyId });
  let current = effectiveConfig(input()).config;
  let stopWatching: (() => void) | null = null;

  async function refresh(): Promise<Config | null> {
    const result = effectiveConfig(input());
    if (result.lastGood !== null && JSON.stringify(result.lastGood) !== JSON.stringify(lastGood)) {
      lastGood = result.lastGood;
      await cache.save(lastGood);
    }
    if (JSON.stringify(result.config) === JSON.stringify(current)) return null;
    current = result.config;
    return current;
  }

  return ok({
    config: () => current,
    input,
    async poolChanged(otherConfig) {
      pool = otherConfig;
      return refresh();
    },
    onLocalChange(listener, onProblems) {
      const watch = watchLocalFile(
        local,
        (file) => {
          local = file;
          void refresh().then(listener);
        },
        (problems) => onProblems(problems.map(describeProblem)),
        path === undefined ? {} : { path },
      );
      stopWatching = () => void watch.stop();
    },
    stop: () => stopWatching?.(),
  });
}

function parseStrings(value: unknown): Readonly<Record<string, string>> | null {
  if (value === null || typeof value !== "object") return null;
  const entries = Object.entries(value);
  return entries.every(([, v]) => typeof v === "string") ? Object.fromEntries(entries as [string, string][]) : null;
}
