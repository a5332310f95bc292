// The witness process: reads its file and its grants, answers until a signal ends it. SIGHUP reads the file again.

import { randomInt } from "node:crypto";
import { hostname } from "node:os";
import { performance } from "node:perf_hooks";
import { describeProblem } from "../config/problem.ts";
import { parseWitnessFile, WITNESS_FILE, type WitnessConfig } from "../config/witness-file.ts";
import { readSecretFile } from "../drivers/peer/keys.ts";
import { createLogger, type Logger } from "../report/logger.ts";
import { VERSION } from "../report/version.ts";
import { err, type Result } from "../util/result.ts";
import { createGrantStore } from "./grant-store.ts";
import type { GrantTable, Question } from "./grants.ts";
import { createWitnessServer } from "./server.ts";

const largestFileBytes = 256 * 1024;
const largestStamp = 2 ** 48 - 1;

async function readConfig(path: string): Promise<Result<WitnessConfig, string>> {
  const advice = "the commented example is conf/witness.yaml";
  const content = await readSecretFile(path, "witness configuration", advice, largestFileBytes);
  if (!content.ok) return content;
  const parsed = parseWitnessFile(Buffer.from(content.value).toString("utf8"));
  return parsed.ok ? parsed : err(parsed.error.map(describeProblem).join("\n"));
}

/** Reads everything and changes nothing; prints what it found and returns the exit code. */
export async function checkWitness(path: string | undefined, print: (line: string) => void): Promise<number> {
  const config = await readConfig(path ?? WITNESS_FILE);
  if (!config.ok) {
    print(config.error);
    return 1;
  }
  const { listen, pools, stateFile } = config.value;
  const loaded = await createGrantStore(stateFile).load();
  if (!loaded.ok) {
    print(loaded.error);
    return 1;
  }
  print(`listens on ${listen.map(({ host, port }) => `${host} port ${port}`).join(", ")} (UDP)`);
  for (const { poolId, keys } of pools) {
    print(`pool ${poolId}: ${keys.length === 1 ? "one key" : "two keys, being exchanged"}`);
    for (const line of grantLines(loaded.value ?? {}, poolId)) print(`  ${line}`);
  }
  print(loaded.value === null ? `no grants yet: ${stateFile} does not exist` : `grants: ${stateFile}`);
  return 0;
}

function grantLines(table: GrantTable, poolId: string): string[] {
  return Object.entries(table[poolId] ?? {}).map(([resource, { epoch, owner, grant }]) => {
    const owned = owner === null ? "owner not known" : `owned by ${owner} in epoch ${epoch}`;
    return `${resource}: ${owned}${grant === null ? ", no grant" : `, granted to ${grant.holder} in epoch ${grant.epoch}`}`;
  });
}

/** Runs until a signal; resolves with the exit code. */
export async function runWitness(path: string = WITNESS_FILE): Promise<number> {
  const logger = createLogger({ node: hostname(), level: "info", path: null, stderr: true });
  const fail = (reason: string): number => {
    logger.event("daemon.stopping", { reason }, "fatal");
    return 1;
  };
  const opened = await readConfig(path);
  if (!opened.ok) return fail(opened.error);
  const config = opened.value;
  const store = createGrantStore(config.stateFile);
  const loaded = await store.load();
  if (!loaded.ok) return fail(loaded.error);
  const server = createWitnessServer({
    listen: config.listen,
    pools: config.pools,
    table: loaded.value ?? {},
    save: store.save,
    now: () => performance.now(),
    newStamp: () => randomInt(largestStamp),
    onChange: (question, table) => tell(logger, question, table),
    onDropped: (reason, count) => logger.event("witness.dropped", { reason, count }),
  });
  const started = await server.start();
  if (!started.ok) {
    await server.stop();
    return fail(started.error);
  }
  const pools = config.pools.length;
  logger.event("daemon.started", { version: VERSION, pools, grants: loaded.value === null ? "none yet" : "read" });
  const reload = (): void => void reloadPools(path, config, server.setPools, logger);
  process.on("SIGHUP", reload);
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  process.off("SIGHUP", reload);
  await server.stop();
  logger.event("daemon.stopping", {});
  logger.close();
  return 0;
}

async function reloadPools(
  path: string,
  running: WitnessConfig,
  setPools: (pools: WitnessConfig["pools"]) => void,
  logger: Logger,
): Promise<void> {
  const next = await readConfig(path);
  if (!next.ok) return logger.event("config.refused", { detail: next.error });
  const { listen, stateFile, pools } = next.value;
  if (JSON.stringify([listen, stateFile]) !== JSON.stringify([running.listen, running.stateFile]))
    return logger.event("config.refused", { detail: "listen and state take effect only at a start of the witness" });
  setPools(pools);
  logger.event("config.changed", { pools: pools.length });
}

function tell(logger: Logger, { poolId, host, request }: Question, table: GrantTable): void {
  const fields = { pool: poolId, host, epoch: request.epoch, grants: grantLines(table, poolId) };
  if (request.kind === "grant") logger.event("witness.gave", fields);
  else logger.event(request.kind === "release" ? "witness.freed" : "witness.learned", fields);
}
