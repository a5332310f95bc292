// The listening side of the control RPC on one link. Never runs a request before its signature and challenge are
// checked, and never starts one whose sender may have stopped waiting.

import { createServer, type Server, type Socket } from "node:net";
import type { Instant, Millis } from "../../core/model/time.ts";
import type { DropReason } from "./frame.ts";
import type { Keyring } from "./keyring.ts";
import type { PeerAddress } from "./port.ts";
import { createRateLimit } from "./rate-limit.ts";
import type { RpcAnswers } from "./rpc-answers.ts";
import { createFrameReader, decodeRpc, encodeRpc, type RpcParties } from "./rpc-codec.ts";

const relistenMs: Millis = 500;
const largestConnections = 16;
/** A connection that has not shown a valid request by then is closed. */
const introductionMs: Millis = 3000;
const connectionsPerSecond = 50;

export interface RpcServer {
  /** Resolves after the first attempt to listen, whatever came of it. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface RpcServerOptions {
  readonly address: PeerAddress;
  readonly parties: RpcParties;
  readonly keyring: Keyring;
  readonly answers: RpcAnswers;
  readonly now: () => Instant;
  readonly newNonce: () => string;
  readonly onDropped: (reason: DropReason) => void;
  readonly onTrouble: (reason: string) => void;
}

/** Node reports IPv4 on a dual-stack socket as ::ffff:a.b.c.d. */
function plainAddress(address: string | undefined): string {
  return (address ?? "").replace(/^::ffff:/, "");
}

export function createRpcServer(options: RpcServerOptions): RpcServer {
  const { address, parties, keyring, answers, now, newNonce, onDropped, onTrouble } = options;
  const connections = new Set<Socket>();
  /** Those that have not shown a valid request yet, oldest first. */
  const silent = new Set<Socket>();
  const rateLimit = createRateLimit(connectionsPerSecond, connectionsPerSecond);
  let server: Server | null = null;
  let stopped = false;
  let retry: NodeJS.Timeout | null = null;

  function serve(socket: Socket): void {
    const source = plainAddress(socket.remoteAddress);
    socket.on("error", () => socket.destroy());
    if (source !== address.remote) return refuse(socket, "foreign address");
    if (!rateLimit.admits(source, now()) || !makeRoom()) return refuse(socket, "rate limit");
    connections.add(socket);
    silent.add(socket);
    let timer = setTimeout(() => socket.destroy(), introductionMs);
    socket.on("close", () => {
      clearTimeout(timer);
      connections.delete(socket);
      silent.delete(socket);
    });
    socket.setNoDelay(true);
    const nonce = newNonce();
    const challengedAt = now();
    const { poolId, hostId: sender, peerId: recipient } = parties;
    const hello = encodeRpc("hello", { poolId, sender, recipient, nonce }, keyring.forRequest());
    if (hello.ok) socket.write(hello.value);
    const reader = createFrameReader();
    let asked = false;
    socket.on("data", (chunk: Buffer) => {
      // One request per connection; the client has nothing more to say.
      if (asked) return refuse(socket, "malformed");
      const frames = reader.push(chunk);
      if (frames === null || frames.length > 1) return refuse(socket, frames === null ? "too large" : "malformed");
      const bytes = frames[0];
      if (bytes === undefined) return;
      const decoded = decodeRpc("request", bytes, keyring.find, parties);
      if (!decoded.ok) return refuse(socket, decoded.error);
      const { frame, keyId } = decoded.value;
      if (frame.nonce !== nonce) return refuse(socket, "replay");
      // The client sent this after it had my challenge, so its patience ends at challengedAt + validForMs at the
      // earliest: started before that, the request is never carried out for somebody who has given up.
      const receivedAt = now();
      if (receivedAt - challengedAt >= frame.validForMs) return refuse(socket, "stale challenge");
      asked = true;
      silent.delete(socket);
      keyring.sawPeerUse(keyId);
      clearTimeout(timer);
      timer = setTimeout(() => socket.destroy(), frame.validForMs + 1000);
      answers.ask(frame.id, frame.request, frame.validForMs, receivedAt, (reply) => {
        const { id, clientNonce } = frame;
        const answer = encodeRpc("answer", { poolId, sender, recipient, id, clientNonce, reply }, keyring.forRequest());
        if (!answer.ok) onTrouble(answer.error);
        else if (!socket.destroyed) socket.end(answer.value);
      });
    });
  }

  /** Idle connections give way to new ones; those whose request is being worked on do not. */
  function makeRoom(): boolean {
    if (connections.size < largestConnections) return true;
    const oldest = silent.keys().next();
    if (oldest.done === true) return false;
    connections.delete(oldest.value);
    silent.delete(oldest.value);
    oldest.value.destroy();
    return true;
  }

  function refuse(socket: Socket, reason: DropReason): void {
    onDropped(reason);
    socket.destroy();
  }

  function listen(firstAttempt: () => void): void {
    if (stopped) return;
    const opened = createServer(serve);
    server = opened;
    opened.on("error", (error) => {
      if (stopped) return;
      onTrouble(`${address.link} listener: ${"code" in error ? String(error.code) : error.name}`);
      opened.close();
      firstAttempt();
      retry = setTimeout(() => listen(() => undefined), relistenMs);
    });
    opened.listen({ host: address.local, port: address.port, backlog: 64 }, firstAttempt);
  }

  return {
    start: () => new Promise((resolve) => listen(resolve)),
    stop() {
      stopped = true;
      if (retry !== null) clearTimeout(retry);
      for (const socket of connections) socket.destroy();
      const closing = server;
      server = null;
      return closing === null ? Promise.resolve() : new Promise((resolve) => closing.close(() => resolve()));
    },
  };
}
