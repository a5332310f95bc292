// The start of the daemon, and which of the two it is: that of a host that holds a copy of the storage, or that of a member
// of the pool.

import { hostname } from "node:os";
import { createLogger } from "../report/logger.ts";
import { readBeginning } from "./beginning.ts";
import { LOG_PATH } from "./paths.ts";
import { startDaemon } from "./run.ts";
import { startMember } from "./run-member.ts";

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
  const ended = storage === null ? await startMember(beginning.value) : await startDaemon(beginning.value, storage);
  return typeof ended === "string" ? fail(ended) : ended;
}
