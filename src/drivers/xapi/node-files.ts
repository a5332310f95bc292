// What xapi leaves on this host's disk: its role and its cookie of a finished start. Read-only; it must never write
// there: xapi owns these files.

import { readFile, stat } from "node:fs/promises";
import { err, ok, type Result } from "../../util/result.ts";
import type { NodeRole, XapiNodePort } from "./port.ts";

export interface XapiNodePaths {
  /** /etc/xensource/pool.conf */
  readonly poolConf: string;
  /** /var/run/xapi_init_complete.cookie: written when start-up is done, storage included. */
  readonly initComplete: string;
}

/** Far above the grain of a file system's clock. */
const FRESH_MS = 1_000;

export function createXapiNode(paths: XapiNodePaths): XapiNodePort {
  return {
    async role() {
      const changed = await changedAt(paths.poolConf);
      if (!changed.ok) return changed;
      if (changed.value === null)
        return err(`Cannot read ${paths.poolConf}: found nothing, expected master or slave:ADDRESS`);
      try {
        return parseRole(await readFile(paths.poolConf, "utf8"), changed.value);
      } catch (cause) {
        return err(`Cannot read ${paths.poolConf}: ${cause instanceof Error ? cause.message : String(cause)}`);
      }
    },
    async roleStamp() {
      try {
        const { mtimeMs, ctimeMs, ino, size } = await stat(paths.poolConf);
        // Written a moment ago: written again it could look the same.
        return Date.now() - ctimeMs < FRESH_MS ? null : `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
      } catch {
        return null;
      }
    },
    initCompleteAtMs: () => changedAt(paths.initComplete),
  };
}

/** `master`, `slave:<address>` (IPv6 after the first colon) or `broken`; the newline is optional (xapi.md 3). */
export function parseRole(content: string, changedAtMs: number): Result<NodeRole, string> {
  const line = content.trim();
  if (line === "master") return ok({ kind: "master", changedAtMs });
  if (line === "broken") return ok({ kind: "broken", changedAtMs });
  if (line.startsWith("slave:") && line.length > 6)
    return ok({ kind: "supporter", master: line.slice(6), changedAtMs });
  return err(`Cannot read the pool role: found "${line.slice(0, 60)}", expected master, slave:ADDRESS or broken`);
}

async function changedAt(path: string): Promise<Result<number | null, string>> {
  try {
    return ok((await stat(path)).mtimeMs);
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return ok(null);
    return err(`Cannot look at ${path}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}
