// A small HTTP server over a unix socket that misbehaves on request, for the client's tests.

import { spawnSync } from "node:child_process";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { XapiValue } from "../../../src/drivers/xapi/port.ts";

export interface Received {
  readonly method: string;
  readonly params: readonly XapiValue[];
  readonly headers: IncomingMessage["headers"];
}

export type Script = (received: Received, response: ServerResponse, request: IncomingMessage) => void;

export interface ScriptedServer {
  readonly path: string;
  readonly received: readonly Received[];
  /** Connections open now. */
  connections(): Promise<number>;
  close(): Promise<void>;
}

export async function startScriptedServer(script: Script): Promise<ScriptedServer> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-xapi-"));
  const path = join(folder, "xapi");
  const received: Received[] = [];
  const server = createServer(listener(script, received));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    received,
    connections: () => countConnections(server),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function listener(script: Script, received: Received[]) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as { method: string; params: XapiValue[] };
      const one = { method: body.method, params: body.params, headers: request.headers };
      received.push(one);
      script(one, response, request);
    });
  };
}

export function countConnections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

export function answer(response: ServerResponse, result: XapiValue): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", result, id: 1 }));
}

export function answerError(response: ServerResponse, ...error: readonly string[]): void {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ jsonrpc: "2.0", error, id: 1 }));
}

/** Test options: certificates are made with openssl. */
export const hasOpenssl =
  spawnSync("openssl", ["version"]).status === 0
    ? {}
    : { skip: "openssl is not installed: no certificate can be made" };
