// JSON over HTTPS to a device whose certificate is pinned. The pin is checked when the handshake is done and before the
// first byte of a request, which may carry the password, is written. No redirects: a BMC has no reason to send us elsewhere.

import { Agent, request, type RequestOptions } from "node:https";
import type { ClientRequestArgs } from "node:http";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import { err, ok, type Result } from "../util/result.ts";
import type { Deadline } from "./deadline.ts";
import { fingerprint, pinRefusal } from "./pin.ts";

export interface HttpsTarget {
  readonly host: string;
  readonly port: number;
  readonly pins: readonly string[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Undefined: an empty body. */
  readonly body: unknown;
}

export interface PinnedHttps {
  send(method: "GET" | "POST" | "DELETE", path: string, options?: SendOptions): Promise<Result<HttpAnswer, string>>;
  close(): void;
}

export interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const MAX_BODY = 1_000_000;

class PinningAgent extends Agent {
  readonly #target: HttpsTarget;

  constructor(target: HttpsTarget) {
    // One connection for all requests of a call: a BMC needs a second for a handshake.
    super({ keepAlive: true, maxSockets: 1 });
    this.#target = target;
  }

  override createConnection(
    _options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const { host, port, pins } = this.#target;
    // BMC certificates are self-signed and carry factory names; the pin says more than any authority could.
    const socket = connect({ host, port, rejectUnauthorized: false });
    socket.once("error", (error) => callback?.(error, socket));
    socket.once("secureConnect", () => {
      const refusal = pinRefusal(pins, fingerprint(socket.getPeerCertificate().raw), "certificate");
      if (refusal === null) callback?.(null, socket);
      else socket.destroy(new Error(`Cannot trust ${host} port ${port}: ${refusal}`));
    });
    return undefined;
  }
}

export function openHttps(target: HttpsTarget, deadline: Deadline): PinnedHttps {
  const agent = new PinningAgent(target);
  const where = `${target.host} port ${target.port}`;
  return {
    send(method, path, options = {}) {
      if (!/^\/[\x21-\x7e]*$/.test(path)) return Promise.resolve(err(`${where} named the path "${path.slice(0, 80)}"`));
      const body = options.body === undefined ? null : JSON.stringify(options.body);
      const settings: RequestOptions = {
        agent,
        method,
        path,
        host: target.host,
        port: target.port,
        signal: deadline.signal,
        headers: {
          Accept: "application/json",
          ...(body === null ? {} : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) }),
          ...options.headers,
        },
      };
      return new Promise((resolve) => {
        const fail = (reason: string): void => resolve(err(reason));
        if (deadline.left() === 0) return fail(`no time left to ask ${where}`);
        const asked = request(settings, (response) => {
          const chunks: Buffer[] = [];
          let size = 0;
          response.on("data", (chunk: Buffer) => {
            size += chunk.length;
            if (size > MAX_BODY) response.destroy(new Error("its answer is larger than 1 MB"));
            else chunks.push(chunk);
          });
          // "end" comes for whole answers only; a cut one is an error.
          response.on("end", () => {
            const parsed = parseBody(Buffer.concat(chunks).toString("utf8"));
            if (!parsed.ok && (response.statusCode ?? 0) < 400) return fail(`${where} ${path}: ${parsed.error}`);
            resolve(
              ok({
                status: response.statusCode ?? 0,
                headers: response.headers,
                body: parsed.ok ? parsed.value : undefined,
              }),
            );
          });
          response.on("error", (error) => fail(`${where} broke off: ${error.message}`));
        });
        asked.on("error", (error) =>
          fail(
            error.name === "AbortError" ? `no answer of ${where} to ${method} ${path} in time` : reasonOf(error, where),
          ),
        );
        asked.end(body ?? undefined);
      });
    },
    close: () => agent.destroy(),
  };
}

const reasonOf = (error: Error, where: string): string =>
  error.message.startsWith("Cannot trust") ? error.message : `no connection to ${where}: ${error.message}`;

function parseBody(text: string): Result<unknown, string> {
  if (text.trim() === "") return ok(undefined);
  try {
    const value: unknown = JSON.parse(text);
    return ok(value);
  } catch {
    return err(`found "${text.slice(0, 60)}", expected JSON`);
  }
}
