// One POST to xapi's JSON-RPC per call, each with its own deadline and its own connection. It must never retry, never
// log in by itself, and never send a byte to a peer whose certificate is not the pinned one.
//
// Why a connection per call: an idle daemon makes two calls a minute, and a kept-alive socket that xapi closed at the
// wrong moment would make "was it executed?" unanswerable for calls that have side effects.

import type { Millis } from "../../core/model/time.ts";
import { err, type Result } from "../../util/result.ts";
import { connectXapi } from "./connect.ts";
import type { XapiCaller, XapiEndpoint, XapiError, XapiValue } from "./port.ts";
import { parseReply } from "./reply.ts";

// Not `import`: the facade of the ES module reads every export, WebSocket among them, which loads all of undici. That
// costs 35 ms and 8 MB at every start of the daemon, ten times as long in a loaded dom0.
const http = process.getBuiltinModule("node:http");

/** xapi refuses longer request bodies (xapi.md 1.1). */
const MAX_REQUEST_BYTES = 300 * 1024;

export interface XapiClientOptions {
  /** Calls in flight; the next ones wait for a place inside their own deadline. */
  readonly maxSockets?: number;
  /** A longer answer is given up: the daemon's memory is worth more. */
  readonly maxReplyBytes?: number;
  /** An unpinned peer was spoken to: its certificate was accepted without proof of who it is. */
  readonly onUnpinned?: (host: string, fingerprint: string) => void;
  /** A call is about to be sent. */
  readonly onCall?: () => void;
}

export interface XapiClient extends XapiCaller {
  /** Calls in flight now, for tests and the log. */
  readonly inFlight: () => number;
}

export function createXapiClient(endpoint: XapiEndpoint, options: XapiClientOptions = {}): XapiClient {
  const maxReplyBytes = options.maxReplyBytes ?? 32 * 1024 * 1024;
  const places = createPlaces(options.maxSockets ?? 4);

  async function call(
    method: string,
    params: readonly XapiValue[],
    deadlineMs: Millis,
    signal?: AbortSignal,
  ): Promise<Result<XapiValue, XapiError>> {
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }), "utf8");
    if (body.byteLength > MAX_REQUEST_BYTES) {
      const reason = `the request has ${body.byteLength} bytes, expected at most ${MAX_REQUEST_BYTES}`;
      return err({ kind: "transport", call: method, reason });
    }
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(new Error("deadline")), Math.max(1, deadlineMs));
    const either = signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, signal]);
    let held = false;
    try {
      either.throwIfAborted();
      await places.take(either);
      held = true;
      options.onCall?.();
      const reply = await post(endpoint, body, maxReplyBytes, either, options.onUnpinned);
      return parseReply(method, reply.status, reply.body);
    } catch (cause) {
      if (deadline.signal.aborted && signal?.aborted !== true) {
        return err({ kind: "timeout", call: method, afterMs: deadlineMs });
      }
      return err({ kind: "transport", call: method, reason: signal?.aborted === true ? "given up" : reasonOf(cause) });
    } finally {
      clearTimeout(timer);
      if (held) places.give();
    }
  }

  return { call, inFlight: places.taken };
}

async function post(
  endpoint: XapiEndpoint,
  body: Buffer,
  maxReplyBytes: number,
  signal: AbortSignal,
  onUnpinned: XapiClientOptions["onUnpinned"],
): Promise<{ status: number; body: string }> {
  const socket = await connectXapi(endpoint, signal, onUnpinned);
  try {
    return await new Promise((resolve, reject) => {
      const request = http.request({
        method: "POST",
        path: "/jsonrpc",
        host: endpoint.kind === "unix" ? "localhost" : endpoint.host,
        // xapi does not read chunked bodies; few headers, because on TCP they may fill 1024 bytes in all.
        headers: { "content-type": "application/json", "content-length": body.byteLength, connection: "close" },
        createConnection: () => socket,
        signal,
      });
      request.on("error", reject);
      request.once("response", (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on("data", (chunk: Buffer) => {
          size += chunk.byteLength;
          if (size > maxReplyBytes) reject(new Error(`the answer is longer than ${maxReplyBytes} bytes`));
          else chunks.push(chunk);
        });
        response.on("error", reject);
        response.once("end", () => {
          if (response.complete) resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
          else reject(new Error("the answer ended before it was complete"));
        });
      });
      request.end(body);
    });
  } finally {
    // Whatever happened, the descriptor is free now: a hung call must not hold one for minutes.
    socket.destroy();
  }
}

/** A counter with a queue: at most `limit` calls at once. Waiting ends with the signal. */
function createPlaces(limit: number): {
  taken: () => number;
  take: (signal: AbortSignal) => Promise<void>;
  give: () => void;
} {
  let taken = 0;
  const queue: (() => void)[] = [];
  function take(signal: AbortSignal): Promise<void> {
    if (taken < limit) {
      taken += 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        queue.splice(queue.indexOf(enter), 1);
        reject(new Error("no free connection"));
      };
      const enter = (): void => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      queue.push(enter);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }
  function give(): void {
    const next = queue.shift();
    if (next === undefined) taken -= 1;
    else next();
  }
  return { taken: () => taken, take, give };
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : "";
  return cause.message === "" ? code || cause.name : cause.message;
}
