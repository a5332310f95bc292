// The asking side of the control RPC: one request on all links at once; the first authentic answer wins and the copies
// are one request to the server. Never takes silence for an answer.

import { connect, type Socket } from "node:net";
import type { PeerReply, PeerRequest } from "../../core/model/peer.ts";
import type { Instant, Millis } from "../../core/model/time.ts";
import type { DropReason } from "./frame.ts";
import type { Keyring } from "./keyring.ts";
import type { PeerAddress } from "./port.ts";
import { createFrameReader, decodeRpc, encodeRpc, type RpcParties } from "./rpc-codec.ts";

/** Pause before a link is tried again within one request. */
const retryMs: Millis = 150;
/** A connection without the server's challenge by then is given up (lost SYN, frozen daemon) and tried again. */
const helloMs: Millis = 1000;

export interface RpcClientOptions {
  readonly addresses: readonly PeerAddress[];
  readonly parties: RpcParties;
  readonly keyring: Keyring;
  readonly now: () => Instant;
  readonly newNonce: () => string;
  readonly onDropped: (reason: DropReason) => void;
}

export type RpcOutcome = PeerReply | { readonly kind: "silent"; readonly reason: string };

export interface RpcClient {
  readonly request: (request: PeerRequest, timeoutMs: Millis) => Promise<RpcOutcome>;
  /** Ends all requests as silent. */
  stop(): void;
}

export function createRpcClient(options: RpcClientOptions): RpcClient {
  const running = new Set<(why: string) => void>();
  let stopped = false;
  return {
    request(request, timeoutMs) {
      if (stopped) return Promise.resolve({ kind: "silent", reason: "the peer link is stopped" });
      return new Promise((resolve) => {
        const deadline = options.now() + timeoutMs;
        const id = options.newNonce();
        const troubles = new Map<string, string>();
        let settled = false;
        const attempts: { stop(): void }[] = [];
        const giveUp = (why: string): void => {
          const details = [...troubles].map(([link, trouble]) => `${link}: ${trouble}`).join("; ");
          settle({ kind: "silent", reason: details === "" ? why : `${why} (${details})` });
        };
        const timer = setTimeout(() => giveUp(`no answer within ${timeoutMs} ms`), timeoutMs);
        function settle(outcome: RpcOutcome): void {
          if (settled) return;
          settled = true;
          clearTimeout(timer);
          running.delete(giveUp);
          for (const attempt of attempts) attempt.stop();
          resolve(outcome);
        }
        running.add(giveUp);
        for (const address of options.addresses) {
          const onTrouble = (trouble: string): void => void troubles.set(address.link, trouble);
          attempts.push(askOneLink({ ...options, address, id, request, deadline, onAnswer: settle, onTrouble }));
        }
      });
    },
    stop() {
      stopped = true;
      for (const giveUp of running) giveUp("the peer link was stopped");
    },
  };
}

interface LinkAttempt extends Omit<RpcClientOptions, "addresses"> {
  readonly address: PeerAddress;
  readonly id: string;
  readonly request: PeerRequest;
  readonly deadline: Instant;
  readonly onAnswer: (reply: PeerReply) => void;
  readonly onTrouble: (trouble: string) => void;
}

/** Connects, answers the challenge and waits, again and again until stopped. */
function askOneLink(attempt: LinkAttempt): { stop(): void } {
  let stopped = false;
  let retry: NodeJS.Timeout | null = null;
  let socket: Socket | null = null;

  function tryOnce(): void {
    if (stopped) return;
    const opened = openOnce(attempt, () => {
      if (stopped) return;
      retry = setTimeout(tryOnce, retryMs);
    });
    socket = opened;
  }

  tryOnce();
  return {
    stop() {
      stopped = true;
      if (retry !== null) clearTimeout(retry);
      socket?.destroy();
    },
  };
}

function openOnce(attempt: LinkAttempt, onClosed: () => void): Socket {
  const { address, parties, keyring, now, onTrouble } = attempt;
  const { poolId, hostId: sender, peerId: recipient } = parties;
  const clientNonce = attempt.newNonce();
  const reader = createFrameReader();
  let asked = false;
  // Bound to this host's own address on that network: otherwise the routing table chooses, and both ways may be one.
  const socket = connect({ host: address.remote, port: address.port, localAddress: address.local });
  const hello = setTimeout(() => fail("connected to nothing that answers"), helloMs);
  socket.setNoDelay(true);
  socket.on("error", (error) => onTrouble("code" in error ? String(error.code) : error.message));
  socket.on("close", () => {
    clearTimeout(hello);
    onClosed();
  });
  socket.on("data", (chunk: Buffer) => {
    const frames = reader.push(chunk);
    if (frames === null) return refuse("too large");
    for (const bytes of frames) {
      if (socket.destroyed) return;
      if (!asked) answerChallenge(bytes);
      else takeAnswer(bytes);
    }
  });

  function fail(trouble: string): void {
    onTrouble(trouble);
    socket.destroy();
  }

  function refuse(reason: DropReason): void {
    attempt.onDropped(reason);
    fail(`answered with a frame dropped as "${reason}"`);
  }

  function answerChallenge(bytes: Uint8Array): void {
    const decoded = decodeRpc("hello", bytes, keyring.find, parties);
    if (!decoded.ok) return refuse(decoded.error);
    clearTimeout(hello);
    keyring.sawPeerUse(decoded.value.keyId);
    const { id, request } = attempt;
    const { nonce } = decoded.value.frame;
    const validForMs = Math.max(0, Math.min(3_600_000, attempt.deadline - now()));
    const frame = { poolId, sender, recipient, id, nonce, clientNonce, validForMs, request };
    const encoded = encodeRpc("request", frame, keyring.forRequest());
    if (!encoded.ok) return fail(encoded.error);
    asked = true;
    socket.write(encoded.value);
  }

  function takeAnswer(bytes: Uint8Array): void {
    const decoded = decodeRpc("answer", bytes, keyring.find, parties);
    if (!decoded.ok) return refuse(decoded.error);
    const { id, clientNonce: echoed, reply } = decoded.value.frame;
    if (id !== attempt.id || echoed !== clientNonce) return refuse("replay");
    keyring.sawPeerUse(decoded.value.keyId);
    attempt.onAnswer(reply);
  }

  return socket;
}
