// One UDP socket per link, bound to this host's own address on that network. Never gives up: an address that is not
// there yet, or a network that is gone, is tried again. Never queues a heartbeat for later.

import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Millis } from "../../core/model/time.ts";
import type { PeerAddress } from "./port.ts";

const rebindMs: Millis = 500;

export interface UdpLink {
  readonly address: PeerAddress;
  /** Resolves after the first attempt to bind, whatever came of it. */
  start(): Promise<void>;
  stop(): Promise<void>;
  bound(): boolean;
  /** To `remote`, else to the address of the link. */
  send(packet: Uint8Array, remote?: string): void;
}

export interface UdpEvents {
  /** A datagram from any source that can reach the address. */
  readonly onPacket: (address: PeerAddress, bytes: Uint8Array, source: string) => void;
  /** A reason without addresses or payload, fit for a rate-limited log. */
  readonly onTrouble: (reason: string) => void;
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

export function createUdpLink(address: PeerAddress, events: UdpEvents): UdpLink {
  let socket: Socket | null = null;
  let ready = false;
  let stopped = false;
  let retry: NodeJS.Timeout | null = null;

  function open(firstAttempt: () => void): void {
    if (stopped) return;
    const family = isIPv6(address.local) ? 6 : 4;
    // Both ends are addresses: nothing is to be looked up for each packet.
    const opened = createSocket({ type: `udp${family}`, lookup: (given, _options, done) => done(null, given, family) });
    let failed = false;
    socket = opened;
    opened.on("message", (bytes, from) => events.onPacket(address, bytes, from.address));
    opened.on("error", (error) => {
      if (failed || stopped) return;
      failed = true;
      events.onTrouble(`${address.link} socket: ${codeOf(error)}`);
      ready = false;
      if (socket === opened) socket = null;
      opened.close();
      firstAttempt();
      retry = setTimeout(() => open(() => undefined), rebindMs);
    });
    opened.bind({ address: address.local, port: address.port, exclusive: true }, () => {
      ready = true;
      firstAttempt();
    });
  }

  return {
    address,
    start: () => new Promise((resolve) => open(resolve)),
    stop() {
      stopped = true;
      ready = false;
      if (retry !== null) clearTimeout(retry);
      const closing = socket;
      socket = null;
      return closing === null ? Promise.resolve() : new Promise((resolve) => closing.close(() => resolve()));
    },
    bound: () => ready,
    send(packet, remote = address.remote) {
      if (!ready || socket === null) return;
      socket.send(packet, address.port, remote, (error) => {
        if (error !== null && error !== undefined) events.onTrouble(`${address.link} send: ${codeOf(error)}`);
      });
    },
  };
}
