// What is remembered over a restart of the daemon or of the host: which VMs ought to run. May be lost: then those that
// stopped meanwhile stay down. Never holds anything safety depends on.

import type { GuardMemory, Watched } from "../../core/decide/vms/guard.ts";
import { createJsonCache, type JsonCache } from "../../drivers/store/json-cache.ts";

export interface KeptVms {
  readonly savedWallMs: number;
  /** Host of each VM that ought to run, as last seen. */
  readonly hosts: Readonly<Record<string, string | null>>;
}

export const vmMemoryCache = (path: string): JsonCache<KeptVms> => createJsonCache(path, parse);

function parse(value: unknown): KeptVms | null {
  if (value === null || typeof value !== "object" || !("savedWallMs" in value) || !("hosts" in value)) return null;
  const { savedWallMs, hosts } = value;
  if (typeof savedWallMs !== "number" || hosts === null || typeof hosts !== "object" || Array.isArray(hosts))
    return null;
  const entries = Object.entries(hosts);
  const isHost = (entry: [string, unknown]): entry is [string, string | null] =>
    entry[1] === null || typeof entry[1] === "string";
  return entries.every(isHost) ? { savedWallMs, hosts: Object.fromEntries(entries) } : null;
}

export const keptOf = (memory: GuardMemory, savedWallMs: number): KeptVms => ({
  savedWallMs,
  hosts: Object.fromEntries([...memory].map(([uuid, { host }]) => [uuid, host])),
});

export function memoryOf(kept: KeptVms): GuardMemory {
  const watched = (host: string | null): Watched => ({
    host,
    runningSince: null,
    seenWallMs: kept.savedWallMs,
    stopping: false,
    stop: null,
    restarts: 0,
    failures: 0,
    nextAt: -Infinity,
    lastFailure: null,
  });
  return new Map(Object.entries(kept.hosts).map(([uuid, host]) => [uuid, watched(host)]));
}

/** Two memories that would be kept as the same file. */
export function sameKept(a: KeptVms, b: KeptVms): boolean {
  const uuids = Object.keys(a.hosts);
  return uuids.length === Object.keys(b.hosts).length && uuids.every((uuid) => a.hosts[uuid] === b.hosts[uuid]);
}
