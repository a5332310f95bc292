// Material for the tests of the peer link.

import type { HeartbeatBody } from "../../../src/core/model/peer.ts";
import { derivePeerKey, peerKeys } from "../../../src/drivers/peer/keys.ts";
import { createPeerSession, type PeerSession } from "../../../src/drivers/peer/session.ts";

export const poolId = "99999999-9999-4999-8999-999999999999";
export const hostA = "11111111-1111-4111-8111-111111111111";
export const hostB = "22222222-2222-4222-8222-222222222222";
export const bootA = "a".repeat(32);
export const bootB = "b".repeat(32);
export const key = derivePeerKey(Buffer.from("pool-secret-of-the-lab-0123456789"), poolId);
export const otherKey = derivePeerKey(Buffer.from("another-secret-of-the-lab-9876543"), poolId);
export const onlyKey = (wanted: typeof key) => (keyId: number) => (keyId === wanted.keyId ? wanted : null);

export function body(
  hostId: string,
  bootId: string,
  incarnation: number,
  changes: Partial<HeartbeatBody> = {},
): HeartbeatBody {
  return {
    hostId,
    bootId,
    incarnation,
    epoch: 7,
    owner: hostA,
    ha: "on",
    flags: { manual: false, maintenance: false },
    cfgHash: "0123456789abcdef",
    serving: true,
    busy: false,
    joined: true,
    resources: {
      iscsi1: {
        role: "Primary",
        disk: "UpToDate",
        peerDisk: "UpToDate",
        solo: false,
        generation: { current: "8F5A2B3C4D5E6F70", bitmap: "0000000000000000", history: ["1111111111111111"] },
      },
    },
    vote: true,
    eligible: true,
    watchdogArmed: true,
    intent: "none",
    management: true,
    domains: ["01234567-89ab-4cde-8f01-23456789abcd"],
    xapi: "master",
    ...changes,
  };
}

/** What the peer link of host a or b is made with in every test. */
export const linkOf = (name: "a" | "b") => ({
  beatMs: () => 250,
  poolId,
  ...(name === "a" ? { hostId: hostA, peerId: hostB, bootId: bootA } : { hostId: hostB, peerId: hostA, bootId: bootB }),
  incarnation: 1,
  keys: peerKeys(key, null),
  now: () => performance.now(),
});

/** A session with predictable nonces: the host's letter and a counter. */
export function session(hostId: string, bootId: string, incarnation = 1): PeerSession {
  let count = 0;
  const letter = bootId.charAt(0);
  return createPeerSession({
    poolId,
    hostId,
    peerId: hostId === hostA ? hostB : hostA,
    bootId,
    incarnation,
    newNonce: () => `${letter}${String(incarnation % 10)}${String((count += 1)).padStart(30, "0")}`,
  });
}

/** Repeatable pseudo-random numbers (mulberry32): a failing run can be run again. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
