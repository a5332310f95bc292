// Vote samples without a process per sample: one long-lived ping per heuristic address. It runs all the time, so that a
// dead address is known before the day it is needed and the first sample of an outage does not wait for a process to
// start. A sample passes when every address answered within the last sample window.
//
// ping prints nothing by itself: a line per answer woke the idle daemon five times a second and address. Asked by a signal
// it tells how many answers it has had; it is asked once a second in calm, and often while samples are taken.

import { isIPv6 } from "node:net";
import { performance } from "node:perf_hooks";
import type { ExecPort, LineStream } from "../drivers/exec/port.ts";

export interface Votes {
  /** Pings these addresses from now on, and no others. */
  watch(addresses: readonly string[]): void;
  /** Once a second: asks every ping how many answers it has had. */
  look(): void;
  /** Has this address answered lately, by the last looks? Null before there was time for it. */
  answering(address: string): boolean | null;
  /** A sample may be asked for soon: its answers are counted from now on. */
  expect(): void;
  /** Resolves within `windowMs`: did every address answer inside it? An empty list never passes (A3). */
  sample(addresses: readonly string[], windowMs: number): Promise<boolean>;
  stop(): void;
}

interface Stream {
  line: LineStream | null;
  /** What the ping that runs now told last; it begins at 0. */
  answers: number;
  /** It counted them after this. */
  countedAfter: number;
  /** What it had told before this was read by then: a line that is read later was written later. */
  emptyAt: number;
  /** The newest answer came after this. */
  answeredAfter: number;
  /** An answer was told then. */
  seenAt: number;
  readonly since: number;
  waiting: (() => void)[];
}

const INTERVAL_S = "0.2";
/**
 * A question that comes before ping listens for it would end it (SIGQUIT), and while samples are taken the next one too: what
 * is ignored stays ignored until ping has a handler of its own.
 */
const DEAF_UNTIL_READY = 'trap "" QUIT; exec ping "$@"';
const RESTART_MS = 1_000;
const LATELY_MS = 2_500;
/** While samples are taken, and until none was for so long, answers are noticed so soon. */
const ALERT_MS = 50;
const ALERT_LASTS_MS = 2_000;

export function createVotes(exec: ExecPort, now: () => number = () => performance.now()): Votes {
  const streams = new Map<string, Stream>();
  let stopped = false;
  let alert: NodeJS.Timeout | null = null;
  let sampledAt = -Infinity;

  function stream(address: string): Stream {
    const existing = streams.get(address);
    if (existing !== undefined && existing.line !== null) return existing;
    const made: Stream = existing ?? {
      line: null,
      answers: 0,
      countedAfter: now(),
      emptyAt: now(),
      answeredAfter: -Infinity,
      seenAt: -Infinity,
      since: now(),
      waiting: [],
    };
    made.answers = 0;
    made.countedAfter = made.emptyAt = now();
    // The ping of RHEL 7, and of a dom0, is one of IPv4 unless it is told otherwise, whatever the address.
    const family = isIPv6(address) ? ["-6"] : [];
    // -n no name lookup, -i 5 per second, -q nothing but what a signal asks for: "7/8 packets, 12% loss, ..." on stderr.
    made.line = exec.lines(
      "sh",
      ["-c", DEAF_UNTIL_READY, "tandem", ...family, "-n", "-q", "-i", INTERVAL_S, "-W", "1", address],
      (line) => hear(made, line),
      () => {
        made.line = null;
        // ping ends when the interface goes away; it is wanted as long as the address is.
        setTimeout(() => {
          if (!stopped && streams.get(address) === made) stream(address);
        }, RESTART_MS).unref();
      },
      "stderr",
    );
    streams.set(address, made);
    return made;
  }

  function hear(s: Stream, line: string): void {
    const told = /(\d+)\/\d+ packets/.exec(line)?.[1];
    if (told === undefined) return;
    const answers = Number(told);
    if (answers > s.answers) {
      s.answeredAfter = s.countedAfter;
      s.seenAt = now();
      for (const resolve of s.waiting.splice(0)) resolve();
    }
    s.answers = answers;
    s.countedAfter = s.emptyAt;
  }

  /** Not before what was written has been read: how old a line is that waited for this program nobody can tell. */
  function look(): void {
    setImmediate(() => {
      for (const s of streams.values()) {
        s.emptyAt = now();
        s.line?.signal("SIGQUIT");
      }
    });
  }

  function beAlert(): void {
    sampledAt = now();
    if (alert !== null) return;
    look();
    alert = setInterval(() => {
      if (now() - sampledAt < ALERT_LASTS_MS) return look();
      if (alert !== null) clearInterval(alert);
      alert = null;
    }, ALERT_MS);
  }

  function stop(): void {
    stopped = true;
    if (alert !== null) clearInterval(alert);
    for (const s of streams.values()) s.line?.stop();
    streams.clear();
  }

  /**
   * An answer that came within half a window before the sample, or one that comes within the window; told while it is younger
   * than a window, so that a vote is never older than T_h.
   */
  async function answers(s: Stream, windowMs: number): Promise<boolean> {
    const from = now();
    const until = from + windowMs;
    const young = (): boolean => s.answeredAfter > from - windowMs / 2 && now() - s.answeredAfter < windowMs;
    while (!young() && now() < until) {
      await new Promise<void>((resolve) => {
        // Timers come before what was read: an answer that waits in the pipe while this program was held up counts.
        const timer = setTimeout(() => setImmediate(resolve), Math.max(1, until - now()));
        s.waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return young();
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
    look,
    answering(address) {
      const s = streams.get(address);
      if (s === undefined) return null;
      if (now() - s.seenAt < LATELY_MS) return true;
      return now() - s.since < LATELY_MS ? null : false;
    },
    expect() {
      if (streams.size > 0) beAlert();
    },
    async sample(addresses, windowMs) {
      if (addresses.length === 0) return false;
      const sampled = addresses.map(stream);
      beAlert();
      return (await Promise.all(sampled.map((s) => answers(s, windowMs)))).every(Boolean);
    },
    stop,
  };
}
