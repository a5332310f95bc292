// Answers the hosts over UDP: one question after the other, and a changed table is durable before the answer leaves.
// Bytes that are not an authentic question of a known pool cost a signature at most, and change nothing.

import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Instant, Millis } from "../core/model/time.ts";
import type { RuleSwitches } from "../core/rules.ts";
import { createDropCounter } from "../drivers/peer/drop-counter.ts";
import type { SigningKey } from "../drivers/peer/keyring.ts";
import { createRateLimit } from "../drivers/peer/rate-limit.ts";
import { decodeWitness, encodeWitness, type WitnessPackets } from "../drivers/witness/codec.ts";
import type { Result } from "../util/result.ts";
import { decide, refuse, type GrantTable, type Question } from "./grants.ts";

const dropReportMs: Millis = 60_000;
/** Two hosts ask four times a second each at most; copies and several pools behind one router included. */
const packetsPerSecond = 100;
/** Questions that wait for the disk; the next one is dropped and will be asked again. */
const largestWaiting = 256;
/** Hosts whose last grant or release is remembered, for the copies of it. */
const largestRemembered = 1_000;

export interface PoolKeys {
  readonly poolId: string;
  /** One, or two while they are being exchanged. */
  readonly keys: readonly SigningKey[];
}

export interface WitnessServerOptions {
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  readonly pools: readonly PoolKeys[];
  readonly table: GrantTable;
  readonly save: (table: GrantTable) => Promise<Result<"saved", string>>;
  readonly now: () => Instant;
  /** A random number below 2^48. */
  readonly newStamp: () => number;
  /** The table changed and is durable. */
  readonly onChange: (question: Question, table: GrantTable) => void;
  /** Rate-limited reasons for dropped packets and for failures of disk and network. */
  readonly onDropped: (reason: string, count: number) => void;
}

export interface WitnessServer {
  /** Resolves when every address is bound; the error is a sentence with the address. */
  start(): Promise<Result<"listening", string>>;
  stop(): Promise<void>;
  setPools(pools: readonly PoolKeys[]): void;
  /** As it is on the disk. */
  readonly table: () => GrantTable;
}

/** Nothing can be switched off in production. */
const rules: RuleSwitches = { removedRules: [] };

export function createWitnessServer(options: WitnessServerOptions): WitnessServer {
  const { now, newStamp } = options;
  const startedAt = now();
  const sockets: Socket[] = [];
  const stamps = new Map<string, number>();
  const remembered = new Map<string, { readonly nonce: string; readonly answer: Buffer }>();
  const rateLimit = createRateLimit(packetsPerSecond, packetsPerSecond);
  const drops = createDropCounter(options.onDropped, dropReportMs);
  const drop = (reason: string): void => drops.count(reason, now());
  let keys = indexOf(options.pools);
  let { table } = options;
  let waiting = 0;
  let work: Promise<unknown> = Promise.resolve();
  let flusher: NodeJS.Timeout | null = null;

  function receive(bytes: Uint8Array, source: string, reply: (answer: Buffer) => void): void {
    if (!rateLimit.admits(source, now())) return drop("rate limit");
    const decoded = decodeWitness("witnessQuestion", bytes, (keyId) => keys.get(keyId)?.key ?? null);
    if (!decoded.ok) return drop(decoded.error);
    const { packet, keyId } = decoded.value;
    const entry = keys.get(keyId);
    if (entry === undefined || entry.poolId !== packet.poolId) return drop("other pool");
    if (waiting >= largestWaiting) return drop("too many questions wait for the disk");
    waiting += 1;
    work = work
      .then(() => answer(packet, entry.key))
      .then(reply, (error: unknown) => drop(`a defect: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => {
        waiting -= 1;
      });
  }

  async function answer(packet: WitnessPackets["witnessQuestion"], signer: SigningKey): Promise<Buffer> {
    const { poolId, sender, nonce, request, seen } = packet;
    const who = `${poolId} ${sender}`;
    const before = remembered.get(who);
    // A copy of what was answered already: the same answer, also signed with the same key.
    if (before?.nonce === nonce) return before.answer;
    const question: Question = { poolId, host: sender, request, seen };
    const decided = await settled(question);
    const frame = { poolId, recipient: sender, nonce, answer: decided };
    const sealed = encodeWitness("witnessAnswer", frame, signer);
    if (!sealed.ok) throw new Error(sealed.error);
    if (request.kind !== "query") remember(who, nonce, sealed.value);
    return sealed.value;
  }

  /** Decides, and keeps what was decided only when the disk has it. */
  async function settled(question: Question): Promise<WitnessPackets["witnessAnswer"]["answer"]> {
    const stamp = stamps.get(question.poolId) ?? newStamp();
    const decision = decide(table, question, { now: now(), startedAt, stamp, nextStamp: newStamp(), rules });
    stamps.set(question.poolId, decision.stamp);
    if (decision.table === table) return decision.answer;
    const saved = await options.save(decision.table);
    if (!saved.ok) {
      drop(`the grants could not be written: ${saved.error}`);
      return refuse(table, question, decision.stamp, "the witness cannot write its grants").answer;
    }
    ({ table } = decision);
    options.onChange(question, table);
    return decision.answer;
  }

  function remember(who: string, nonce: string, sent: Buffer): void {
    remembered.delete(who);
    remembered.set(who, { nonce, answer: sent });
    const oldest = remembered.keys().next();
    if (remembered.size > largestRemembered && oldest.done !== true) remembered.delete(oldest.value);
  }

  function bind({ host, port }: WitnessServerOptions["listen"][number]): Promise<Result<"listening", string>> {
    return new Promise((resolve) => {
      const socket = createSocket(isIPv6(host) ? { type: "udp6", ipv6Only: true } : { type: "udp4" });
      sockets.push(socket);
      socket.on("message", (bytes, from) =>
        receive(bytes, from.address, (sent) =>
          socket.send(sent, from.port, from.address, (error) => {
            if (error !== null && error !== undefined)
              drop(`send: ${"code" in error ? String(error.code) : error.name}`);
          }),
        ),
      );
      socket.on("error", (error) => {
        drop(`socket: ${"code" in error ? String(error.code) : error.name}`);
        resolve({ ok: false, error: `Cannot listen on ${host} port ${port}: ${error.message}` });
      });
      socket.bind({ address: host, port, exclusive: true }, () => resolve({ ok: true, value: "listening" }));
    });
  }

  return {
    async start() {
      flusher = setInterval(() => drops.flush(now()), dropReportMs);
      const bound = await Promise.all(options.listen.map(bind));
      return bound.find((one) => !one.ok) ?? { ok: true, value: "listening" };
    },
    async stop() {
      if (flusher !== null) clearInterval(flusher);
      for (const socket of sockets.splice(0)) socket.close();
      await work;
    },
    setPools(pools) {
      keys = indexOf(pools);
    },
    table: () => table,
  };
}

function indexOf(
  pools: readonly PoolKeys[],
): ReadonlyMap<number, { readonly poolId: string; readonly key: SigningKey }> {
  return new Map(pools.flatMap(({ poolId, keys }) => keys.map((key) => [key.keyId, { poolId, key }] as const)));
}
