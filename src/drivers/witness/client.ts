// Asks the witnesses over UDP: a question is sent again and again until it is answered or its time is up, and one that
// arrives twice is one question. Never waits for a name server: an address that is not known yet is an unanswered question.

import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns";
import { isIP } from "node:net";
import type { WitnessAnswer, WitnessRound } from "../../core/model/witness.ts";
import type { Instant, Millis } from "../../core/model/time.ts";
import { createDropCounter } from "../peer/drop-counter.ts";
import { createKeyring, type Keyring } from "../peer/keyring.ts";
import { peerKeys, type PeerKey } from "../peer/keys.ts";
import { createRateLimit } from "../peer/rate-limit.ts";
import { decodeWitness, encodeWitness } from "./codec.ts";
import type { WitnessPort } from "./port.ts";

/** At most this long between two copies of a question; a short deadline gets them quicker. */
const resendMs: Millis = 150;
const leastResends = 3;
const dropReportMs: Millis = 60_000;
const packetsPerSecond = 200;
/** A name is looked up again after this, and after a failure sooner. */
const lookupMs: Millis = 60_000;
const lookupAgainMs: Millis = 5_000;

export interface WitnessAddress {
  readonly host: string;
  readonly port: number;
}

export interface WitnessClientOptions {
  readonly poolId: string;
  readonly hostId: string;
  /** Looked at with each question: the configuration may change. */
  readonly witnesses: () => readonly WitnessAddress[];
  readonly now: () => Instant;
  /** Rate-limited reasons for dropped packets and failed sends. */
  readonly onDropped: (reason: string, count: number) => void;
}

export interface WitnessClient extends WitnessPort {
  /** The newest key first; none: every question stays unanswered. */
  setKeys(keys: readonly PeerKey[]): void;
}

interface Open {
  readonly settle: (answer: WitnessAnswer) => void;
}

interface Known {
  address: string | null;
  family: 4 | 6;
  nextAt: Instant;
  isLooking: boolean;
}

export function createWitnessClient(options: WitnessClientOptions): WitnessClient {
  const { poolId, hostId, now } = options;
  const open = new Map<string, Open>();
  const known = new Map<string, Known>();
  const sockets = new Map<4 | 6, Socket>();
  const drops = createDropCounter(options.onDropped, dropReportMs);
  const drop = (reason: string): void => drops.count(reason, now());
  const rateLimit = createRateLimit(packetsPerSecond, packetsPerSecond);
  let keyring: Keyring | null = null;
  let stopped = false;

  function receive(bytes: Uint8Array, source: string): void {
    if (keyring === null) return;
    if (!rateLimit.admits(source, now())) return drop("rate limit");
    const decoded = decodeWitness("witnessAnswer", bytes, keyring.find);
    if (!decoded.ok) return drop(decoded.error);
    const { packet, keyId } = decoded.value;
    if (packet.poolId !== poolId) return drop("other pool");
    if (packet.recipient !== hostId) return drop("other recipient");
    keyring.sawPeerUse(keyId);
    // Answered before, or too late: copies of a question have one answer each.
    open.get(packet.nonce)?.settle(packet.answer);
  }

  function socketOf(family: 4 | 6): Socket {
    const existing = sockets.get(family);
    if (existing !== undefined) return existing;
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    sockets.set(family, socket);
    socket.on("message", (bytes, from) => receive(bytes, from.address));
    socket.on("error", (error) => {
      drop(`socket: ${"code" in error ? String(error.code) : error.name}`);
      if (sockets.get(family) === socket) sockets.delete(family);
      socket.close();
    });
    socket.unref();
    return socket;
  }

  /** One look-up at a time and name: a name server that hangs occupies one thread of the pool, never all of them. */
  function addressOf({ host }: WitnessAddress): Known {
    const family = isIP(host);
    if (family === 4 || family === 6) return { address: host, family, nextAt: Infinity, isLooking: false };
    const entry = known.get(host) ?? { address: null, family: 4, nextAt: -Infinity, isLooking: false };
    known.set(host, entry);
    if (entry.isLooking || now() < entry.nextAt) return entry;
    entry.isLooking = true;
    lookup(host, (error, address, found) => {
      entry.isLooking = false;
      entry.nextAt = now() + (error === null ? lookupMs : lookupAgainMs);
      if (error !== null) return drop(`name of the witness: ${error.code ?? error.name}`);
      entry.address = address;
      entry.family = found === 6 ? 6 : 4;
    });
    return entry;
  }

  function send(witness: WitnessAddress, nonce: string, round: WitnessRound, seen: number | null): void {
    if (keyring === null || stopped) return;
    const { address, family } = addressOf(witness);
    if (address === null) return;
    const question = { poolId, sender: hostId, nonce, seen, request: round.request };
    const packet = encodeWitness("witnessQuestion", question, keyring.nextForBeat());
    if (!packet.ok) return drop(packet.error);
    socketOf(family).send(packet.value, witness.port, address, (error) => {
      if (error !== null && error !== undefined) drop(`send: ${"code" in error ? String(error.code) : error.name}`);
    });
  }

  function askOne(
    witness: WitnessAddress,
    round: WitnessRound,
    seen: number | null,
    timeoutMs: Millis,
  ): Promise<WitnessAnswer | null> {
    if (keyring === null || stopped) return Promise.resolve(null);
    return new Promise((resolve) => {
      const nonce = randomBytes(16).toString("hex");
      const again = setInterval(
        () => send(witness, nonce, round, seen),
        Math.max(20, Math.min(resendMs, timeoutMs / leastResends)),
      );
      const end = (answer: WitnessAnswer | null): void => {
        clearInterval(again);
        clearTimeout(deadline);
        open.delete(nonce);
        resolve(answer);
      };
      const deadline = setTimeout(() => end(null), timeoutMs);
      open.set(nonce, { settle: end });
      send(witness, nonce, round, seen);
    });
  }

  const flusher = setInterval(() => drops.flush(now()), dropReportMs);
  flusher.unref();

  return {
    ask(round, timeoutMs) {
      return Promise.all(
        options.witnesses().map((witness, i) => askOne(witness, round, round.stamps[i] ?? null, timeoutMs)),
      );
    },
    setKeys([current, previous]) {
      keyring = current === undefined ? null : createKeyring(peerKeys(current, previous ?? null));
    },
    stop() {
      stopped = true;
      clearInterval(flusher);
      for (const socket of sockets.values()) socket.close();
      sockets.clear();
    },
  };
}
