// The tools' side of the control socket: one request and its answer, or a stream of status documents.
// Must never wait for ever, and never fail without saying which command to run next.

import { createConnection } from "node:net";
import type { StatusDocument } from "../../core/model/status.ts";
import type { Millis } from "../../core/model/time.ts";
import { err, ok } from "../../util/result.ts";
import type { Result } from "../../util/result.ts";
import { createLineReader, replyLimitBytes } from "./lines.ts";
import type { ControlReply, ControlRequest } from "./port.ts";

export type ControlClientError =
  /** No socket file: the daemon is not there. */
  | { readonly kind: "not-running"; readonly path: string }
  /** A socket file that nobody listens on: the daemon died without cleaning up. */
  | { readonly kind: "stale"; readonly path: string }
  | { readonly kind: "no-permission"; readonly path: string }
  /** Connected, but silent for this long. */
  | { readonly kind: "silent"; readonly path: string; readonly afterMs: Millis }
  /** It hung up, or what it said cannot be read. */
  | { readonly kind: "broken"; readonly path: string; readonly found: string };

/** What went wrong, and the command to run next. */
export function describeClientError(error: ControlClientError): { readonly reason: string; readonly next: string } {
  switch (error.kind) {
    case "not-running":
      return {
        reason: `Cannot reach tandemd: found no socket at ${error.path}, expected the daemon to be running`,
        next: "systemctl status tandemd; then: systemctl start tandemd",
      };
    case "stale":
      return {
        reason: `Cannot reach tandemd: found a socket at ${error.path} that nobody answers; the daemon stopped without cleaning up`,
        next: "systemctl status tandemd; then: systemctl start tandemd",
      };
    case "no-permission":
      return {
        reason: `Cannot reach tandemd: no permission for ${error.path}, expected to be run by root`,
        next: "Run the command again as root",
      };
    case "silent":
      return {
        reason: `Cannot get an answer from tandemd: it took the request and said nothing for ${error.afterMs / 1000} s`,
        next: "systemctl status tandemd; journalctl -u tandemd -n 50",
      };
    case "broken":
      return {
        reason: `Cannot read the answer of tandemd: found ${error.found}, expected one reply in one line`,
        next: "systemctl status tandemd; journalctl -u tandemd -n 50",
      };
  }
}

/** Every reply but progress: it ends the request. */
export type FinalReply = Exclude<ControlReply, { readonly kind: "progress" }>;

export interface AskOptions {
  readonly path: string;
  /** Longest silence: until the connection, and then between two lines. Each progress line starts it anew. */
  readonly silenceMs: Millis;
  readonly onProgress?: (text: string) => void;
}

/** Asks one thing. The daemon carries on with a request whose tool has gone; only the answer is lost. */
export function askDaemon(
  request: ControlRequest,
  options: AskOptions,
): Promise<Result<FinalReply, ControlClientError>> {
  return new Promise((resolve) => {
    const connection = open(options, request, {
      onReply: (reply) => {
        if (reply.kind === "progress") options.onProgress?.(reply.text);
        else settle(ok(reply));
      },
      onError: (error) => settle(err(error)),
    });
    const settle = (result: Result<FinalReply, ControlClientError>): void => {
      connection.close();
      resolve(result);
    };
  });
}

export interface Watch {
  close(): void;
}

export interface WatchOptions {
  readonly path: string;
  /** Longest wait for the connection and the first document; afterwards silence means "nothing changed". */
  readonly silenceMs: Millis;
  readonly onStatus: (status: StatusDocument) => void;
  /** Called once, when the stream has ended; not after close(). */
  readonly onEnd: (error: ControlClientError) => void;
}

/** Follows the daemon's status until close() or the end of the connection. */
export function watchDaemon(options: WatchOptions): Watch {
  const connection = open(
    options,
    { kind: "watch" },
    {
      onReply: (reply) => {
        if (reply.kind === "status") {
          connection.calm();
          options.onStatus(reply.status);
        } else if (reply.kind === "failed" || reply.kind === "refused") {
          connection.close();
          options.onEnd({ kind: "broken", path: options.path, found: `"${reply.reason}"` });
        }
      },
      onError: options.onEnd,
    },
  );
  return { close: () => connection.close() };
}

interface Connection {
  close(): void;
  /** No further deadline. */
  calm(): void;
}

interface Receiver {
  readonly onReply: (reply: ControlReply) => void;
  readonly onError: (error: ControlClientError) => void;
}

function open(
  { path, silenceMs }: { readonly path: string; readonly silenceMs: Millis },
  request: ControlRequest,
  receiver: Receiver,
): Connection {
  const read = createLineReader(replyLimitBytes);
  const socket = createConnection(path);
  let closed = false;
  let calm = false;
  let timer: NodeJS.Timeout | undefined;

  const close = (): void => {
    closed = true;
    clearTimeout(timer);
    socket.destroy();
  };
  const fail = (error: ControlClientError): void => {
    if (closed) return;
    close();
    receiver.onError(error);
  };
  const expectSomething = (): void => {
    clearTimeout(timer);
    if (!calm && !closed) timer = setTimeout(() => fail({ kind: "silent", path, afterMs: silenceMs }), silenceMs);
  };

  expectSomething();
  socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
  socket.on("error", (error) => fail(connectionError(error, path)));
  socket.on("close", () => fail({ kind: "broken", path, found: "a closed connection" }));
  socket.on("data", (chunk) => {
    const { lines, overflow } = read(chunk);
    for (const line of lines) {
      if (closed) return;
      expectSomething();
      const reply = parseReply(line);
      if (reply === null) {
        fail({ kind: "broken", path, found: `"${line.slice(0, 60)}"` });
        return;
      }
      receiver.onReply(reply);
    }
    if (overflow) fail({ kind: "broken", path, found: `a line longer than ${replyLimitBytes} bytes` });
  });
  return {
    close,
    calm: () => {
      calm = true;
      clearTimeout(timer);
    },
  };
}

function connectionError(error: Error, path: string): ControlClientError {
  const code = "code" in error ? error.code : undefined;
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return { kind: "not-running", path };
    case "ECONNREFUSED":
      return { kind: "stale", path };
    case "EACCES":
    case "EPERM":
      return { kind: "no-permission", path };
    default:
      return { kind: "broken", path, found: error.message };
  }
}

const replyKinds: readonly string[] = [
  "progress",
  "done",
  "refused",
  "failed",
  "status",
  "metrics",
  "parameters",
  "text",
  "checks",
  "vms",
  "backup",
  "history",
  "explanation",
] satisfies readonly ControlReply["kind"][];

/**
 * Only the kind is checked: the socket belongs to root and both ends come from one package. A document of another
 * protocol version is refused, because the screens would show what it does not mean.
 */
function parseReply(line: string): ControlReply | null {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof raw !== "object" || raw === null || !("kind" in raw)) return null;
  if (typeof raw.kind !== "string" || !replyKinds.includes(raw.kind)) return null;
  if ((raw.kind === "status" || raw.kind === "metrics") && !isStatusOfOurs(raw)) return null;
  return raw as ControlReply;
}

function isStatusOfOurs(raw: object): boolean {
  if (!("status" in raw) || typeof raw.status !== "object" || raw.status === null) return false;
  return "protocol" in raw.status && raw.status.protocol === 1 && "own" in raw.status && "wallMs" in raw.status;
}
