// The exporter: a program beside the daemon that asks it over the control socket and shows what it counts to Prometheus.
// Apart from the daemon, so that nothing of HTTP, TLS and logins runs in the process that decides over the storage.
// systemd starts it when somebody first connects to its socket.

import { readFile, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import type { ListenOptions } from "node:net";
import type { Server } from "node:http";
import { METRICS_FILE, parseMetricsFile, SOCKET_ALONE, type MetricsConfig } from "../config/metrics-file.ts";
import { describeProblem } from "../config/problem.ts";
import { askDaemon } from "../drivers/control/client.ts";
import { controlSocketPath } from "../drivers/control/path.ts";
import { readSecretFile } from "../drivers/peer/keys.ts";
import { createLogger } from "../report/logger.ts";
import { VERSION } from "../report/version.ts";
import { err, ok, type Result } from "../util/result.ts";
import { exposition } from "./exposition.ts";
import { servePage } from "./server.ts";

export const METRICS_SOCKET = "/run/tandem/metrics.sock";
const LARGEST_FILE = 64 * 1024;
/** Prometheus gives up after ten seconds by default. */
const DAEMON_MS = 5_000;
/** The first descriptor that systemd hands over (sd_listen_fds(3)). */
const FIRST_GIVEN = 3;
/** Started by a reader and read by nobody since: a dom0's memory is dear, and the next reader starts it again. */
const IDLE_MS = 600_000;

export interface RunOptions {
  readonly configPath: string | undefined;
  readonly socketPath: string | undefined;
  readonly controlPath?: string;
}

/** No file: the unix socket alone. */
export async function readMetricsConfig(path: string | undefined): Promise<Result<MetricsConfig, string>> {
  const file = path ?? METRICS_FILE;
  if (path === undefined && (await isMissing(file))) return ok(SOCKET_ALONE);
  const advice = "the commented example is conf/metrics.yaml";
  const content = await readSecretFile(file, "exporter's configuration", advice, LARGEST_FILE);
  if (!content.ok) return content;
  const parsed = parseMetricsFile(Buffer.from(content.value).toString("utf8"));
  return parsed.ok ? parsed : err(parsed.error.map(describeProblem).join("\n"));
}

const isMissing = (path: string): Promise<boolean> =>
  readFile(path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === "ENOENT",
  );

/** Runs until a signal; resolves with the exit code. */
export async function runMetrics(options: RunOptions): Promise<number> {
  const logger = createLogger({ node: hostname(), level: "info", path: null, stderr: true });
  const fail = (reason: string): number => {
    logger.event("daemon.stopping", { reason }, "fatal");
    return 1;
  };
  const config = await readMetricsConfig(options.configPath);
  if (!config.ok) return fail(config.error);
  const { listen, login } = config.value;
  const tls = config.value.tls === null ? ok(null) : await readTls(config.value.tls);
  if (!tls.ok) return fail(tls.error);

  const page = createPage(options.controlPath ?? controlSocketPath);
  const servers: Server[] = [];
  const own = await ownSocket(options.socketPath);
  const places = [
    // Whoever may open a socket of root's needs no login.
    { where: own, login: null, tls: null },
    ...listen.map((where): { where: ListenOptions } & Pick<Parameters<typeof servePage>[0], "login" | "tls"> => ({
      where,
      login,
      tls: tls.value,
    })),
  ];
  for (const { where, ...rest } of places) {
    const server = await servePage({ page: page.read, ...rest }, where);
    if (!server.ok) {
      for (const open of servers) open.close();
      return fail(server.error);
    }
    servers.push(server.value);
  }
  logger.event("daemon.started", { version: VERSION, listen: listen.map(({ host, port }) => `${host} port ${port}`) });
  await new Promise<void>((resolve) => {
    if ("fd" in own && listen.length === 0) page.onIdle(IDLE_MS, resolve);
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  logger.event("daemon.stopping", {});
  logger.close();
  return 0;
}

/** The socket that systemd listens on already, else one of our own that only root may open. */
async function ownSocket(path: string = METRICS_SOCKET): Promise<ListenOptions> {
  if (process.env["LISTEN_PID"] === String(process.pid) && Number(process.env["LISTEN_FDS"]) >= 1)
    return { fd: FIRST_GIVEN } as ListenOptions;
  process.umask(0o177);
  await unlink(path).catch(() => undefined);
  return { path };
}

async function readTls(
  paths: NonNullable<MetricsConfig["tls"]>,
): Promise<Result<{ cert: string; key: string }, string>> {
  const key = await readSecretFile(paths.key, "key of tls", "metrics.yaml names it", LARGEST_FILE);
  if (!key.ok) return key;
  try {
    return ok({ cert: await readFile(paths.certificate, "utf8"), key: Buffer.from(key.value).toString("utf8") });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return err(`Cannot read the certificate ${paths.certificate}: ${reason}`);
  }
}

export interface Page {
  /** The page, made afresh. Scrapes that come together share one question to the daemon. */
  read(): Promise<string>;
  /** Tells once that nobody has read for so long. */
  onIdle(afterMs: number, tell: () => void): void;
}

export function createPage(controlPath: string): Page {
  let asked: Promise<string> | null = null;
  let idle: NodeJS.Timeout | undefined;
  async function ask(): Promise<string> {
    const answer = await askDaemon({ kind: "metrics" }, { path: controlPath, silenceMs: DAEMON_MS });
    const reply = answer.ok && answer.value.kind === "metrics" ? answer.value : null;
    return exposition(reply);
  }
  return {
    read() {
      idle?.refresh();
      asked ??= ask().finally(() => (asked = null));
      return asked;
    },
    onIdle: (afterMs, tell) => void (idle = setTimeout(tell, afterMs)),
  };
}
