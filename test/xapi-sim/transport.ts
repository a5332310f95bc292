/** The sockets of one xapi: unix, http, https. Reads bodies within xapi's limits; runs no method itself. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import { type HttpReply, serverError } from "./rpc.ts";

/** xapi refuses RPC bodies above this. */
const BODY_LIMIT_BYTES = 300 * 1024;
/** A live migration's state and a database copy pass between hosts only. */
const INTERNAL_LIMIT_BYTES = 64 * 1048576;

export interface Request {
  readonly via: "unix" | "tcp";
  readonly path: string;
  readonly body: string;
  /** The x-pool-secret header of a call between hosts. */
  readonly secret: string;
  /** Aborted when the caller goes away. */
  readonly gone: AbortSignal;
}

export type Handler = (request: Request) => Promise<HttpReply>;

export interface Endpoints {
  readonly unixPath?: string;
  /** What the certificate names. */
  readonly address: string;
  readonly listenAddress: string;
  readonly httpPort?: number;
  readonly httpsPort?: number;
  readonly certificatePath: string;
}

const readBody = async (message: IncomingMessage, limit: number): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new Error("Http.Client_requested_size_over_limit");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
};

const send = (response: ServerResponse, reply: HttpReply): void => {
  if (response.destroyed) return;
  response.sendDate = false;
  const size = { "content-length": String(Buffer.byteLength(reply.body)) };
  response.writeHead(reply.status, { connection: "keep-alive", ...reply.headers, ...size });
  response.end(reply.body);
};

const rootPage: HttpReply = {
  status: 200,
  headers: { "content-type": "text/html" },
  body: "<html><title>XCP-ng 8.3.0</title><body>Welcome to XCP-ng</body></html>",
};

const serve = async (via: "unix" | "tcp", handler: Handler, message: IncomingMessage, response: ServerResponse) => {
  const path = message.url ?? "/";
  if (message.method === "GET") return send(response, rootPage);
  const internal = path.startsWith("/internal/");
  if (message.headers["content-length"] === undefined) return send(response, serverError("Http.Length_required"));
  let body: string;
  try {
    body = await readBody(message, internal ? INTERNAL_LIMIT_BYTES : BODY_LIMIT_BYTES);
  } catch (error) {
    return send(response, serverError(error instanceof Error ? error.message : String(error)));
  }
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const secret = message.headers["x-pool-secret"];
  const request = { via, path, body, secret: typeof secret === "string" ? secret : "", gone: gone.signal };
  return send(response, await handler(request));
};

/** The host's self-signed certificate and key in one file, made on first use. */
export const ensureCertificate = (path: string, address: string): string => {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path];
    const subject = ["-subj", `/CN=${address}`, "-days", "3650", "-out", `${path}.crt`];
    execFileSync("openssl", ["req", "-x509", ...key, ...subject], { stdio: "pipe" });
    const text = readFileSync(path, "utf8") + readFileSync(`${path}.crt`, "utf8");
    rmSync(`${path}.crt`);
    return writeOnce(path, text);
  }
  return readFileSync(path, "utf8");
};

const writeOnce = (path: string, text: string): string => {
  writeFileSync(path, text, { mode: 0o600 });
  return text;
};

const listen = (server: Server, options: { path: string } | { host: string; port: number }): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });

/** Opens the sockets; the result closes them all at once, cutting every connection. */
export const openEndpoints = async (endpoints: Endpoints, handler: Handler): Promise<() => Promise<void>> => {
  const servers: Server[] = [];
  /** A connection that is in the middle of its TLS handshake is none of the HTTP server's own yet. */
  const sockets = new Set<Socket>();
  const on = (via: "unix" | "tcp") => (message: IncomingMessage, response: ServerResponse) => {
    serve(via, handler, message, response).catch((error: unknown) => {
      send(response, serverError(error instanceof Error ? (error.stack ?? error.message) : String(error)));
    });
  };
  const close = async (): Promise<void> => {
    await Promise.all(
      servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            for (const socket of sockets) socket.destroy();
          }),
      ),
    );
  };
  const open = async (server: Server, options: { path: string } | { host: string; port: number }): Promise<void> => {
    server.requestTimeout = 0;
    server.keepAliveTimeout = 300_000;
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    await listen(server, options);
    servers.push(server);
  };
  try {
    if (endpoints.unixPath !== undefined) {
      mkdirSync(dirname(endpoints.unixPath), { recursive: true, mode: 0o700 });
      rmSync(endpoints.unixPath, { force: true });
      await open(createHttp(on("unix")), { path: endpoints.unixPath });
    }
    if (endpoints.httpPort !== undefined) {
      await open(createHttp(on("tcp")), { host: endpoints.listenAddress, port: endpoints.httpPort });
    }
    if (endpoints.httpsPort !== undefined) {
      const pem = ensureCertificate(endpoints.certificatePath, endpoints.address);
      await open(createHttps({ key: pem, cert: pem }, on("tcp")), {
        host: endpoints.listenAddress,
        port: endpoints.httpsPort,
      });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return close;
};
