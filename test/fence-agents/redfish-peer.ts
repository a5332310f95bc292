// An HTTPS server on loopback that speaks the power part of Redfish, or misbehaves. Its certificate is made by openssl.

import { X509Certificate, createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "node:net";
import { must } from "../lab/run-command.ts";

export const USER = "fence";
export const PASSWORD = "s3cr3t:with colon";

export type Mood =
  | "honest"
  | "lies"
  | "silent"
  /** Headers and half a body, then nothing. */
  | "half"
  | "cut"
  | "garbage"
  | "not-json-off"
  | "huge"
  | "no-power-state"
  | "powering-off"
  | "two-systems"
  | "no-force-off"
  | "foreign-target"
  | "redirect"
  | "error-500";

export interface RedfishPeer {
  readonly port: number;
  readonly pin: string;
  /** As `openssl x509 -fingerprint -sha256` prints it. */
  readonly hexPin: string;
  power: "On" | "Off";
  mood: Mood;
  basicAllowed: boolean;
  /** Method and path of each request. */
  readonly seen: string[];
  /** Every Authorization header that arrived. */
  readonly credentials: string[];
  readonly sessions: Set<string>;
  stop(): Promise<void>;
}

const SYSTEM = "/redfish/v1/Systems/0";
const RESET = `${SYSTEM}/Actions/ComputerSystem.Reset`;

async function certificate(): Promise<{ key: string; cert: string }> {
  const dir = mkdtempSync(join(tmpdir(), "tandem-redfish-"));
  try {
    const [key, cert] = [join(dir, "key"), join(dir, "cert")];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const files = ["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=factory default"];
    await must("openssl", ["req", "-x509", ...curve, ...files], { timeoutMs: 20_000 });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function startRedfish(): Promise<RedfishPeer> {
  const { key, cert } = await certificate();
  const sockets = new Set<Socket>();
  const server = createServer({ key, cert }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => serve(request, response, Buffer.concat(chunks).toString("utf8")));
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });

  const json = (
    response: ServerResponse,
    status: number,
    body: unknown,
    headers: Record<string, string> = {},
  ): void => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(body === null ? undefined : JSON.stringify(body));
  };

  function authorized(request: IncomingMessage): boolean {
    const token = request.headers["x-auth-token"];
    if (typeof token === "string") return peer.sessions.has(token);
    const basic = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`;
    if (request.headers.authorization !== undefined) peer.credentials.push(request.headers.authorization);
    return peer.basicAllowed && request.headers.authorization === basic;
  }

  /** True: the mood has answered (or will never). */
  function misbehave(response: ServerResponse): boolean {
    switch (peer.mood) {
      case "silent":
        return true;
      case "half":
        response.writeHead(200, { "Content-Length": "100" });
        response.write('{"PowerState":"Off"');
        return true;
      case "cut":
        response.writeHead(200, { "Content-Length": "100" });
        response.write('{"PowerState":"Off"');
        setTimeout(() => response.destroy(), 20);
        return true;
      case "garbage":
        response.socket?.end("\u0000\u0001\u0002 off off off\r\n\r\n");
        return true;
      case "not-json-off":
        response.end("Off");
        return true;
      case "huge":
        response.end(`{"PowerState":"Off","x":"${"x".repeat(2_000_000)}"}`);
        return true;
      case "redirect":
        response.writeHead(302, { Location: "/redfish/v1/elsewhere" }).end();
        return true;
      case "error-500":
        json(response, 500, { error: { message: "internal error" }, PowerState: "Off" });
        return true;
      default:
        return false;
    }
  }

  function description(): unknown {
    const allowed = peer.mood === "no-force-off" ? ["On", "GracefulShutdown"] : ["On", "ForceOff", "GracefulShutdown"];
    const target = peer.mood === "foreign-target" ? "https://192.0.2.1/redfish/v1/reset" : RESET;
    const state = peer.mood === "no-power-state" ? {} : { PowerState: peer.power };
    return {
      "@odata.id": SYSTEM,
      ...(peer.mood === "powering-off" ? { PowerState: "PoweringOff" } : state),
      Actions: { "#ComputerSystem.Reset": { target, "ResetType@Redfish.AllowableValues": allowed } },
    };
  }

  function serve(request: IncomingMessage, response: ServerResponse, body: string): void {
    const at = `${request.method ?? ""} ${request.url ?? ""}`;
    peer.seen.push(at);
    if (misbehave(response)) return;
    if (at === "POST /redfish/v1/SessionService/Sessions") {
      const asked = JSON.parse(body) as { UserName?: string; Password?: string };
      if (asked.UserName !== USER || asked.Password !== PASSWORD) return json(response, 401, null);
      const token = `token-${peer.sessions.size + 1}`;
      peer.sessions.add(token);
      const headers = { "X-Auth-Token": token, Location: `/redfish/v1/SessionService/Sessions/${token}` };
      return json(response, 201, {}, headers);
    }
    if (!authorized(request)) return json(response, 401, { error: { message: "no valid session" } });
    const session = /^DELETE \/redfish\/v1\/SessionService\/Sessions\/(.+)$/.exec(at)?.[1];
    if (session !== undefined) {
      peer.sessions.delete(session);
      return json(response, 204, null);
    }
    const second = peer.mood === "two-systems" ? [{ "@odata.id": "/redfish/v1/Systems/1" }] : [];
    if (at === "GET /redfish/v1/Systems") return json(response, 200, { Members: [{ "@odata.id": SYSTEM }, ...second] });
    if (at === `GET ${SYSTEM}`) return json(response, 200, description());
    if (at !== `POST ${RESET}`) return json(response, 404, { error: { message: "no such resource" } });
    const { ResetType } = JSON.parse(body) as { ResetType?: string };
    if (ResetType !== "On" && ResetType !== "ForceOff") return json(response, 400, { error: { message: "bad type" } });
    if (peer.mood !== "lies") peer.power = ResetType === "On" ? "On" : "Off";
    return json(response, 204, null);
  }

  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { raw, fingerprint256 } = new X509Certificate(cert);
  const peer: RedfishPeer = {
    port: (server.address() as AddressInfo).port,
    pin: `SHA256:${createHash("sha256").update(raw).digest("base64").replaceAll("=", "")}`,
    hexPin: fingerprint256,
    power: "On",
    mood: "honest",
    basicAllowed: true,
    seen: [],
    credentials: [],
    sessions: new Set(),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return peer;
}
