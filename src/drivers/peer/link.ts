// The peer link: heartbeats and control RPC on both networks, put together from their parts. Never blocks the event
// loop (no file, no child process), never throws for anything the network does, never decides anything.

import { randomBytes } from "node:crypto";
import type { Millis } from "../../core/model/time.ts";
import { decodeHeartbeat, encodeBody, encodeHeartbeat, type PacketMemory } from "./codec.ts";
import { createDropCounter } from "./drop-counter.ts";
import { createKeyring } from "./keyring.ts";
import { createPacker } from "./pack.ts";
import type { PeerAddress, PeerLink, PeerLinkOptions } from "./port.ts";
import { createRateLimit } from "./rate-limit.ts";
import { createRpcAnswers } from "./rpc-answers.ts";
import { createRpcClient } from "./rpc-client.ts";
import { createRpcServer } from "./rpc-server.ts";
import { createPeerSession, type LinkHeard } from "./session.ts";
import { createTraffic } from "./traffic.ts";
import { createUdpLink } from "./udp.ts";

/** A reason for dropped packets is reported at once, then at most this often. */
const dropReportMs: Millis = 10_000;
/**
 * Packets per second that are worth a signature check (5 to 18 µs each: at most 4 % of a core). The peer sends eight.
 * Whoever can forge its address on the wire can cut it off anyway; the limit is for the processor's sake.
 */
const packetsPerSecond = 2000;

export interface TandemPeerLinkOptions extends Omit<PeerLinkOptions, "onHeartbeat"> {
  readonly onHeartbeat: (heard: LinkHeard) => void;
}

export interface TandemPeerLink extends PeerLink {
  /** Links whose sockets are open at this moment, for the status page. */
  boundLinks(): readonly PeerAddress[];
}

export function createPeerLink(options: TandemPeerLinkOptions): TandemPeerLink {
  const { addresses, now, poolId, hostId, peerId, bootId, incarnation } = options;
  const newNonce = (): string => randomBytes(16).toString("hex");
  const keyring = createKeyring(options.keys);
  const session = createPeerSession({ poolId, hostId, peerId, bootId, incarnation, newNonce });
  const drops = createDropCounter(options.onDropped, dropReportMs);
  const drop = (reason: string): void => drops.count(reason, now());
  const rateLimit = createRateLimit(packetsPerSecond, packetsPerSecond);
  const parties = { poolId, hostId, peerId };
  const answers = createRpcAnswers(options.onRequest);
  const memory: PacketMemory = { last: null };
  const pack = createPacker();
  const traffic = createTraffic(
    addresses.map(({ link }) => link),
    options.beatMs,
  );
  let flusher: NodeJS.Timeout | null = null;

  function receive(address: PeerAddress, bytes: Uint8Array, source: string): void {
    if (source !== address.remote) return drop("foreign address");
    const at = now();
    if (!rateLimit.admits(source, at)) return drop("rate limit");
    const decoded = decodeHeartbeat(bytes, keyring.find, memory);
    if (!decoded.ok) return drop(decoded.error);
    const { packet } = decoded.value;
    const incoming = session.incoming(packet, address.link, at);
    if (incoming.kind === "dropped") return drop(incoming.reason);
    const run = `${packet.bootId} ${packet.incarnation}`;
    traffic.received(address.link, run, packet.sentAtMs, incoming.heard.roundTripMs);
    keyring.sawPeerUse(decoded.value.keyId);
    options.onHeartbeat(incoming.heard);
  }

  const udp = addresses.map((address) => createUdpLink(address, { onPacket: receive, onTrouble: drop }));
  const servers = addresses.map((address) =>
    createRpcServer({ address, parties, keyring, answers, now, newNonce, onDropped: drop, onTrouble: drop }),
  );
  const client = createRpcClient({ addresses, parties, keyring, now, newNonce, onDropped: drop });

  return {
    async start() {
      flusher = setInterval(() => drops.flush(now()), dropReportMs);
      await Promise.all([...udp, ...servers].map((part) => part.start()));
    },
    async stop() {
      if (flusher !== null) clearInterval(flusher);
      client.stop();
      await Promise.all([...udp, ...servers].map((part) => part.stop()));
    },
    beat(body) {
      const signer = keyring.nextForBeat();
      const text = encodeBody(body, pack);
      const at = now();
      for (const link of udp) {
        if (!link.bound()) continue;
        const packet = encodeHeartbeat(session.outgoing(link.address.link, body, at), signer, text);
        if (!packet.ok) {
          drop(packet.error);
          continue;
        }
        link.send(packet.value);
        traffic.sent(link.address.link);
      }
    },
    request: client.request,
    setKeys: keyring.replace,
    counters: traffic.counters,
    boundLinks: () => udp.filter((link) => link.bound()).map(({ address }) => address),
  };
}
