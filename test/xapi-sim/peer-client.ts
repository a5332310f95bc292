/**
 * Calls from one host's xapi to another over https, with the pool secret. Each ends in an answer or a reason it
 * could not be reached. Never retries by itself: the caller knows what a repeat would do.
 */
import { Agent, request } from "node:https";
import type { Answer, Json } from "./types.ts";

export type PeerReply = Answer | { readonly kind: "unreachable"; readonly sent: boolean; readonly reason: string };

export interface PeerClient {
  call(
    address: string,
    op: string,
    args: Json,
    options: { timeoutMs?: number; signal?: AbortSignal },
  ): Promise<PeerReply>;
  close(): void;
}

export const createPeerClient = (
  secret: () => string,
  port: number,
  canReach: (address: string) => boolean,
): PeerClient => {
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false, timeout: 0 });
  return {
    call: (address, op, args, { timeoutMs, signal }) =>
      new Promise((resolve) => {
        if (!canReach(address)) return resolve({ kind: "unreachable", sent: false, reason: "the link is cut" });
        const body = JSON.stringify(args);
        let sent = false;
        const headers = { "content-length": String(Buffer.byteLength(body)), "x-pool-secret": secret() };
        const outgoing = request({
          host: address,
          port,
          path: `/internal/${op}`,
          method: "POST",
          headers,
          agent,
          ...(signal ? { signal } : {}),
        });
        const timer =
          timeoutMs === undefined
            ? undefined
            : setTimeout(() => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
        const finish = (reply: PeerReply): void => {
          clearTimeout(timer);
          resolve(reply);
        };
        outgoing.on("socket", (socket) => {
          socket.setKeepAlive(true, 30_000);
        });
        outgoing.on("finish", () => {
          sent = true;
        });
        outgoing.on("error", (error) => finish({ kind: "unreachable", sent, reason: error.message }));
        outgoing.on("response", (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", (error) => finish({ kind: "unreachable", sent, reason: error.message }));
          response.on("end", () => {
            const text = Buffer.concat(chunks).toString("utf8");
            if (response.statusCode !== 200) {
              return finish({ kind: "failure", error: ["INTERNAL_ERROR", text.slice(0, 200)] });
            }
            return finish(JSON.parse(text) as Answer);
          });
        });
        return void outgoing.end(body);
      }),
    close: () => agent.destroy(),
  };
};
