// The few lines that the daemon and the watchdog holder exchange. Pure. No library: the holder must stay small.
//
//   holder → daemon   tandem-watchdog 1 <nonce> <pid>      greeting; the device is open and armed
//                     busy                                 another daemon is connected
//   daemon → holder   T <milliseconds>                     token, with the machine's monotonic clock
//   holder → daemon   F | S | E <code>                     fed | token too old | the device refused the byte
//   daemon → holder   D <hmac of the nonce>                disarm
//   holder → daemon   D | R <reason>                       disarmed (the holder then ends) | refused
//
// A token has its time in it because a frozen holder finds old tokens in its socket when it wakes: fed from those, the
// device would live on proofs that are no longer true, and W would count from a moment nobody vouched for.

import { createHmac, timingSafeEqual } from "node:crypto";
import type { Millis } from "../../core/model/time.ts";

/** Older tokens are not fed. It adds to W, and (I-c) has 1.5 s for such things. */
export const tokenLifeMs: Millis = 300;
/** A line that is longer is noise; the connection is closed. */
export const largestLine = 200;
export const feedByte = ".";
/** "Magic close": as the last byte before close, the kernel stops the watchdog (watchdog-api.txt, WDIOF_MAGICCLOSE). */
export const magicByte = "V";

/** CLOCK_MONOTONIC in milliseconds: one clock for all processes of the machine, unlike performance.now(). */
export function machineMs(): Millis {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

export function disarmProof(key: Uint8Array, nonce: string): string {
  return createHmac("sha256", key).update(`disarm ${nonce}`).digest("hex");
}

export function provesDisarm(key: Uint8Array, nonce: string, proof: string): boolean {
  const expected = Buffer.from(disarmProof(key, nonce));
  const found = Buffer.from(proof);
  return expected.length === found.length && timingSafeEqual(expected, found);
}

export function greeting(nonce: string, pid: number): string {
  return `tandem-watchdog 1 ${nonce} ${pid}`;
}

/** Null when the line is no greeting of this version. */
export function parseGreeting(line: string): { readonly nonce: string; readonly pid: number } | null {
  const [, nonce, pid] = /^tandem-watchdog 1 ([0-9a-f]{32}) (\d{1,10})$/.exec(line) ?? [];
  return nonce === undefined || pid === undefined ? null : { nonce, pid: Number(pid) };
}

export type DaemonLine =
  | { readonly kind: "token"; readonly atMs: Millis }
  | { readonly kind: "disarm"; readonly proof: string }
  | { readonly kind: "noise" };

export function parseDaemonLine(line: string): DaemonLine {
  const [, atMs] = /^T (\d{1,15})$/.exec(line) ?? [];
  if (atMs !== undefined) return { kind: "token", atMs: Number(atMs) };
  const [, proof] = /^D ([0-9a-f]{64})$/.exec(line) ?? [];
  return proof === undefined ? { kind: "noise" } : { kind: "disarm", proof };
}

/** Cuts a stream into lines; null once a line grows too long. */
export function createLineReader(): (chunk: Uint8Array) => readonly string[] | null {
  let held = "";
  return (chunk) => {
    held += Buffer.from(chunk).toString("latin1");
    const lines = held.split("\n");
    held = lines.pop() ?? "";
    return [...lines, held].some((line) => line.length > largestLine) ? null : lines;
  };
}
