// Why the other host is not understood although it sends: without this a host with another version of the protocol, or with
// another pool's key, looks like one that is silent, and a person looks for a cable.

import type { Instant, Millis } from "../../core/model/time.ts";

/** The link reports a reason every 10 s while it lasts; one that is not heard again is over. */
const LASTS_MS: Millis = 25_000;

const WORDS: Readonly<Record<string, (peer: string) => string>> = {
  "other version": (peer) =>
    `${peer} speaks another version of tandem's protocol: install the same package on both hosts ('rpm -q tandem' there and here)`,
  malformed: (peer) =>
    `${peer} signs what this version of tandem does not understand: install the same package on both hosts ('rpm -q tandem' there and here)`,
  "unknown key": (peer) =>
    `${peer} signs with a key that this host does not know: are both hosts in the same pool? see 'xe pool-list' there and here`,
  "bad signature": (peer) =>
    `${peer} signs with another key than this host: are both hosts in the same pool? see 'xe pool-list' there and here`,
  "other pool": (peer) => `${peer} belongs to another pool: pool.uuid in its tandem.yaml differs from the one here`,
  "foreign address": (peer) =>
    `packets come from an address that tandem.yaml does not give ${peer}: compare its hosts: there and here`,
};

export interface RefusedPackets {
  heard(reason: string): void;
  /** A sentence for a person; null: nothing that names a cause was dropped lately. */
  why(): string | null;
}

export function createRefusedPackets(peerName: () => string, now: () => Instant): RefusedPackets {
  let last: { readonly reason: string; readonly at: Instant } | null = null;
  return {
    heard(reason) {
      // What a person can mend only; a replayed packet after a restart explains nothing.
      if (WORDS[reason] !== undefined) last = { reason, at: now() };
    },
    why() {
      if (last === null || now() - last.at > LASTS_MS) return null;
      return WORDS[last.reason]?.(peerName()) ?? null;
    },
  };
}
