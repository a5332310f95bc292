// The HTTP side of the exporter: one page, read-only. Must never hold a connection of somebody who does not read, and
// never tell anything to who has not shown the login.

import { createHash, timingSafeEqual } from "node:crypto";
import { createServer as createPlain, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTls } from "node:https";
import type { ListenOptions } from "node:net";
import { err, ok, type Result } from "../util/result.ts";
import { CONTENT_TYPE } from "./exposition.ts";

export interface PageOptions {
  /** The page, made afresh; it may not throw. */
  readonly page: () => Promise<string>;
  readonly login: { readonly user: string; readonly password: string } | null;
  readonly tls: { readonly cert: string; readonly key: string } | null;
}

const MOST_CONNECTIONS = 16;
const REQUEST_MS = 5_000;
const SLOWEST_READER_MS = 15_000;

/** The error is a sentence. */
export function servePage(options: PageOptions, where: ListenOptions): Promise<Result<Server, string>> {
  const limits = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: 1_000 };
  const listener = answer(options);
  let server: Server;
  try {
    server =
      options.tls === null
        ? createPlain(limits, listener)
        : createTls({ ...limits, handshakeTimeout: REQUEST_MS, ...options.tls }, listener);
  } catch (error) {
    return Promise.resolve(err(`Cannot use the certificate and key of tls: ${reasonOf(error)}`));
  }
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(SLOWEST_READER_MS, (socket) => socket.destroy());
  return new Promise((resolve) => {
    server.once("error", (error) => resolve(err(`Cannot listen on ${placeOf(where)}: ${reasonOf(error)}`)));
    server.listen(where, () => {
      server.removeAllListeners("error");
      // A connection that breaks is the reader's loss.
      server.on("error", () => undefined);
      resolve(ok(server));
    });
  });
}

function answer({ page, login }: PageOptions): RequestListener {
  return (request, response) => {
    const end = (code: number, text: string, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(code, { "content-type": "text/plain; charset=utf-8", connection: "close", ...headers });
      response.end(request.method === "HEAD" ? undefined : text);
    };
    request.resume();
    if (login !== null && !shows(request, login))
      return end(401, "the login of metrics.yaml is needed\n", { "www-authenticate": 'Basic realm="tandem"' });
    const path = request.url?.split("?")[0];
    if (path !== "/metrics") return end(404, "found no such page, expected /metrics\n");
    if (request.method !== "GET" && request.method !== "HEAD") return end(405, "read only\n", { allow: "GET, HEAD" });
    page().then(
      (text) => end(200, text, { "content-type": CONTENT_TYPE }),
      (error: unknown) => end(500, `${reasonOf(error)}\n`),
    );
  };
}

/** Compared by their hashes, so that the time taken tells nothing, the length included. */
function shows(request: IncomingMessage, { user, password }: NonNullable<PageOptions["login"]>): boolean {
  const expected = `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(request.headers.authorization ?? ""), hash(expected));
}

const placeOf = (where: ListenOptions): string =>
  where.path ?? (where.port === undefined ? "the socket it was given" : `${where.host ?? ""} port ${where.port}`);

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
