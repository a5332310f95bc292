// The daemon's side of the control socket: accepts tools, hands their requests to one handler, streams status documents.
// Must never let a tool (garbage, a flood, a reader that sleeps) disturb the daemon, and never take over a socket that answers.

import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import type { StatusDocument } from "../../core/model/status.ts";
import type { Millis } from "../../core/model/time.ts";
import { err, ok } from "../../util/result.ts";
import type { Result } from "../../util/result.ts";
import { createRateLimit } from "../peer/rate-limit.ts";
import { createLineReader, replyLimitBytes, requestLimitBytes } from "./lines.ts";
import type { ControlHandler, ControlReply, ControlRequest, ControlServer } from "./port.ts";
import { parseRequest } from "./request.ts";

export type ControlServerError =
  | { readonly kind: "already-running"; readonly path: string }
  | { readonly kind: "not-a-socket"; readonly path: string }
  | { readonly kind: "io"; readonly action: string; readonly path: string; readonly reason: string };

/** One sentence, with what to do next. */
export function describeServerError(error: ControlServerError): string {
  switch (error.kind) {
    case "already-running":
      return `Cannot open the control socket ${error.path}: found another tandemd answering on it, expected none; see "systemctl status tandemd"`;
    case "not-a-socket":
      return `Cannot open the control socket ${error.path}: found something that is no socket, expected nothing or a stale socket; move it away`;
    case "io":
      return `Cannot ${error.action} ${error.path}: ${error.reason}`;
  }
}

export interface ControlServerOptions {
  readonly path: string;
  readonly handler: ControlHandler;
  /** Told what a tool did wrong, and of a handler that threw (`bug`): for the log. */
  readonly onProblem: (problem: { readonly bug: boolean; readonly text: string }) => void;
  /** Connections at the same time; one more is answered "failed" and closed. Default 32. */
  readonly maxClients?: number;
  /** A connection that asks nothing for this long is closed; watchers are exempt. Default 60 s. */
  readonly idleMs?: Millis;
}

/** Requests one connection may queue before it is closed. */
const maxQueued = 64;
/** How long a socket file found on start has to answer before it is not stale but doubtful. */
const probeMs = 1000;

/** So many mistakes of tools are told at once, then one a second: a script that asks nonsense in a loop fills no disk. */
const problemsAtOnce = 20;

function inModeration(tell: ControlServerOptions["onProblem"]): ControlServerOptions["onProblem"] {
  const limit = createRateLimit(1, problemsAtOnce);
  let untold = 0;
  return (problem) => {
    if (!limit.admits("", performance.now())) {
      untold += 1;
      return;
    }
    tell(untold === 0 ? problem : { ...problem, text: `${problem.text} (and ${untold} more before it)` });
    untold = 0;
  };
}

/** Resolves when tools can connect. Directory 0700, socket 0600. */
export async function startControlServer(
  given: ControlServerOptions,
): Promise<Result<ControlServer, ControlServerError>> {
  const options = { ...given, onProblem: inModeration(given.onProblem) };
  const { path } = options;
  const cleared = await clearStaleSocket(path);
  if (!cleared.ok) return cleared;
  const clients = new Set<Client>();
  let latest: StatusDocument | null = null;

  const server = createServer({ allowHalfOpen: false }, (socket) => {
    if (clients.size >= (options.maxClients ?? 32)) {
      options.onProblem({ bug: false, text: `control socket: more than ${clients.size} tools connected at once` });
      socket.on("error", () => socket.destroy());
      hangUp(socket, failed("Cannot serve this tool: too many are connected", "Close other status screens"));
      return;
    }
    const client = createClient(socket, options, () => latest);
    clients.add(client);
    socket.on("close", () => {
      clients.delete(client);
      // Nothing is published to nobody, so what was published last grows old.
      if (clients.size === 0) latest = null;
    });
  });

  const listening = await listen(server, path);
  if (!listening.ok) return listening;
  server.on("error", (error) => options.onProblem({ bug: false, text: `control socket: ${error.message}` }));
  return ok({
    connected: () => clients.size > 0,
    publish: (status) => {
      latest = status;
      const line = clients.size === 0 ? "" : encode({ kind: "status", status });
      for (const client of clients) client.publish(line);
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.close();
      }),
  });
}

/** Removes a socket file only when the kernel says that nobody listens on it. */
async function clearStaleSocket(path: string): Promise<Result<"clear", ControlServerError>> {
  const directory = dirname(path);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
  } catch (error) {
    return err({ kind: "io", action: "prepare the directory", path: directory, reason: reasonOf(error) });
  }
  try {
    if (!(await lstat(path)).isSocket()) return err({ kind: "not-a-socket", path });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return ok("clear");
    return err({ kind: "io", action: "look at the control socket", path, reason: reasonOf(error) });
  }
  const answer = await probe(path);
  if (answer !== "refused") return err({ kind: "already-running", path });
  try {
    await unlink(path);
    return ok("clear");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return ok("clear");
    return err({ kind: "io", action: "remove the stale control socket", path, reason: reasonOf(error) });
  }
}

/** `refused` is the one answer that proves a socket file dead; silence may be a busy daemon. */
function probe(path: string): Promise<"answers" | "refused" | "unclear"> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const settle = (answer: "answers" | "refused" | "unclear"): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => settle("unclear"), probeMs);
    socket.once("connect", () => settle("answers"));
    socket.once("error", (error) => settle(codeOf(error) === "ECONNREFUSED" ? "refused" : "unclear"));
  });
}

function listen(server: Server, path: string): Promise<Result<"listening", ControlServerError>> {
  return new Promise((resolve) => {
    const onError = (error: Error): void =>
      resolve(err({ kind: "io", action: "listen on the control socket", path, reason: reasonOf(error) }));
    server.once("error", onError);
    server.listen(path, () => {
      server.off("error", onError);
      chmod(path, 0o600).then(
        () => resolve(ok("listening")),
        (error: unknown) => {
          server.close();
          resolve(err({ kind: "io", action: "restrict the control socket", path, reason: reasonOf(error) }));
        },
      );
    });
  });
}

interface Client {
  publish(line: string): void;
  close(): void;
}

function createClient(
  socket: Socket,
  options: ControlServerOptions,
  latestStatus: () => StatusDocument | null,
): Client {
  const read = createLineReader(requestLimitBytes);
  const queue: string[] = [];
  let working = false;
  let watching = false;
  let full = false;
  let ended = false;
  /** The newest status document that a slow reader has not been sent yet; older ones are dropped. */
  let newest: string | null = null;

  const write = (line: string): void => {
    if (socket.destroyed || socket.writableEnded) return;
    full = !socket.write(line);
    if (socket.writableLength > replyLimitBytes) {
      options.onProblem({ bug: false, text: "control socket: a tool asks but does not read; hung up" });
      socket.destroy();
    }
  };
  const reply = (answer: ControlReply): void => write(encode(answer));

  const answerOne = async (line: string): Promise<void> => {
    const request = parseRequest(line);
    if (!request.ok) {
      options.onProblem({ bug: false, text: `control socket: ${request.error}` });
      reply(failed(request.error, "Use ha-cfg or iscsi-cfg of the same version as tandemd"));
      return;
    }
    if (request.value.kind === "watch") {
      watching = true;
      socket.setTimeout(0);
      const status = latestStatus();
      if (status !== null) {
        reply({ kind: "status", status });
        return;
      }
    }
    await handle(request.value.kind === "watch" ? { kind: "status" } : request.value, options, reply);
  };

  const work = async (): Promise<void> => {
    if (working) return;
    working = true;
    if (!watching) socket.setTimeout(0);
    for (let line = queue.shift(); line !== undefined && !socket.destroyed; line = queue.shift()) await answerOne(line);
    working = false;
    if (!watching) socket.setTimeout(options.idleMs ?? 60_000);
  };

  socket.setTimeout(options.idleMs ?? 60_000);
  socket.on("timeout", () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.on("drain", () => {
    full = false;
    const line = newest;
    newest = null;
    if (line !== null) write(line);
  });
  socket.on("data", (chunk) => {
    if (ended) return;
    const { lines, overflow } = read(chunk);
    queue.push(...lines);
    if (overflow || queue.length > maxQueued) {
      queue.length = 0;
      const found = overflow ? `a line longer than ${requestLimitBytes} bytes` : `more than ${maxQueued} requests`;
      options.onProblem({ bug: false, text: `control socket: ${found}` });
      ended = true;
      hangUp(socket, failed(`Cannot read the request: found ${found}`, "Ask one thing at a time"));
      return;
    }
    work().catch((error: unknown) => {
      options.onProblem({ bug: true, text: `control socket: ${reasonOf(error)}` });
      socket.destroy();
    });
  });

  return {
    publish: (line) => {
      if (!watching) return;
      if (full) newest = line;
      else write(line);
    },
    close: () => hangUp(socket, null),
  };
}

/** Says a last word and closes; a tool that neither reads nor leaves must not keep the daemon from stopping. */
function hangUp(socket: Socket, last: ControlReply | null): void {
  socket.resume();
  if (last === null) socket.end();
  else socket.end(encode(last));
  setTimeout(() => socket.destroy(), 500).unref();
}

/** Guarantees that every request ends with exactly one final reply, whatever the handler does. */
async function handle(
  request: ControlRequest,
  options: ControlServerOptions,
  reply: (answer: ControlReply) => void,
): Promise<void> {
  let finished = false;
  const next = 'See "journalctl -u tandemd -n 50"';
  try {
    await options.handler(request, (answer) => {
      if (finished) return;
      finished = answer.kind !== "progress";
      reply(answer);
    });
  } catch (error) {
    options.onProblem({ bug: true, text: `request ${request.kind}: ${reasonOf(error)}` });
    if (!finished) reply(failed(`Cannot finish ${request.kind}: ${reasonOf(error)}`, next));
    return;
  }
  if (finished) return;
  options.onProblem({ bug: true, text: `request ${request.kind} ended without an answer` });
  reply(failed(`Cannot finish ${request.kind}: the daemon gave no answer`, next));
}

const encode = (reply: ControlReply): string => `${JSON.stringify(reply)}\n`;
const failed = (reason: string, next: string): ControlReply => ({ kind: "failed", reason, next });
const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
