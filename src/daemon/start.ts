// The start of the daemon, and which of the two it is: that of a host that holds a copy of the storage, or that of a member
// of the pool.

import { hostname } from "node:os";
import type { StorageConfig } from "../config/config.ts";
import { createLogger } from "../report/logger.ts";
import { readBeginning, type Beginning } from "./beginning.ts";
import { LOG_PATH } from "./paths.ts";
import { beginToBeat } from "./first-beats.ts";

/** Runs until a signal; resolves with the exit code. */
export async function runDaemon(configPath: string | undefined): Promise<number> {
  const logger = createLogger({ node: hostname(), level: "info", path: LOG_PATH, stderr: true });
  const fail = (reason: string): number => {
    logger.event("daemon.stopping", { reason }, "fatal");
    return 1;
  };
  const beginning = await readBeginning(configPath, logger);
  if (!beginning.ok) return fail(beginning.error);
  const { storage } = beginning.value;
  const ended = storage === null ? await startAsMember(beginning.value) : await startWithCopy(beginning.value, storage);
  return typeof ended === "string" ? fail(ended) : ended;
}

/** The brain first: what its hands are made of is loaded while it beats. */
async function startWithCopy(beginning: Beginning, storage: StorageConfig): Promise<number | string> {
  const beats = await beginToBeat(beginning);
  if (typeof beats === "string") return beats;
  beats.round.pulse();
  const { startDaemon } = await import("./run.ts");
  return await startDaemon(beginning, storage, beats);
}

async function startAsMember(beginning: Beginning): Promise<number | string> {
  const { startMember } = await import("./run-member.ts");
  return await startMember(beginning);
}
