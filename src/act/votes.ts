// Vote samples without a process per sample: one long-lived ping per heuristic address. It runs all the time, so that a
// dead address is known before the day it is needed and the first sample of an outage does not wait for a process to
// start. A sample passes when every address answered within the last sample window.

import { performance } from "node:perf_hooks";
import type { ExecPort, LineStream } from "../drivers/exec/port.ts";

export interface Votes {
  /** Pings these addresses from now on, and no others. */
  watch(addresses: readonly string[]): void;
  /** Has this address answered lately? Null before there was time for it. */
  answering(address: string): boolean | null;
  /** Resolves within `windowMs`: did every address answer inside it? An empty list never passes (A3). */
  sample(addresses: readonly string[], windowMs: number): Promise<boolean>;
  stop(): void;
}

interface Stream {
  line: LineStream | null;
  answeredAt: number;
  readonly since: number;
  waiting: (() => void)[];
}

const INTERVAL_S = "0.2";
const RESTART_MS = 1_000;
const LATELY_MS = 2_000;

export function createVotes(exec: ExecPort, now: () => number = () => performance.now()): Votes {
  const streams = new Map<string, Stream>();
  let stopped = false;

  function stream(address: string): Stream {
    const existing = streams.get(address);
    if (existing !== undefined && existing.line !== null) return existing;
    const made: Stream = existing ?? { line: null, answeredAt: -Infinity, since: now(), waiting: [] };
    // -n no name lookup, -i 5 per second, one line per answer on a line-buffered stdout.
    made.line = exec.lines(
      "ping",
      ["-n", "-i", INTERVAL_S, "-W", "1", address],
      (line) => {
        if (!line.includes("bytes from")) return;
        made.answeredAt = now();
        for (const resolve of made.waiting.splice(0)) resolve();
      },
      () => {
        made.line = null;
        // ping ends when the interface goes away; it is wanted as long as the address is.
        setTimeout(() => {
          if (!stopped && streams.get(address) === made) stream(address);
        }, RESTART_MS).unref();
      },
    );
    streams.set(address, made);
    return made;
  }

  function stop(): void {
    stopped = true;
    for (const s of streams.values()) s.line?.stop();
    streams.clear();
  }

  return {
    watch(addresses) {
      for (const [address, s] of streams) {
        if (addresses.includes(address)) continue;
        streams.delete(address);
        s.line?.stop();
      }
      for (const address of addresses) stream(address);
    },
    answering(address) {
      const s = streams.get(address);
      if (s === undefined) return null;
      if (now() - s.answeredAt < LATELY_MS) return true;
      return now() - s.since < LATELY_MS ? null : false;
    },
    async sample(addresses, windowMs) {
      if (addresses.length === 0) return false;
      const asked = now();
      const answers = addresses.map(async (address) => {
        const s = stream(address);
        if (asked - s.answeredAt < windowMs / 2) return true;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, windowMs);
          s.waiting.push(() => {
            clearTimeout(timer);
            resolve();
          });
        });
        return now() - s.answeredAt <= windowMs;
      });
      return (await Promise.all(answers)).every(Boolean);
    },
    stop,
  };
}
