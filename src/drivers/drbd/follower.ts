// Follows `drbdsetup events2` and keeps the picture it draws. When the stream ends the picture is thrown away and read
// again by the next stream. It must never answer from a picture whose stream is gone.

import type { DrbdView } from "../../core/model/drbd.ts";
import type { Millis } from "../../core/model/time.ts";
import type { ClockPort } from "../clock/port.ts";
import type { ExecPort, LineStream } from "../exec/port.ts";
import { createEventPicture } from "./parse-events2.ts";
import type { SeenResource } from "./picture.ts";

type Seen = ReadonlyMap<string, SeenResource>;

export interface Follower {
  /** What the stream shows now, or null when there is no live and whole picture. */
  seen(): Seen | null;
  /** The first picture for which `wanted` holds; null after `withinMs` or when the picture is lost. */
  waitFor(wanted: (seen: Seen) => boolean, withinMs: Millis): Promise<Seen | null>;
  /** Ends the stream that runs, or the pause after one, and begins the next (the module is another one). */
  beginAnew(why: string): void;
  start(onChange: (views: ReadonlyMap<string, DrbdView>) => void, onLost: (why: string) => void): { stop(): void };
}

const firstPauseMs = 100;
const longestPauseMs = 5000;

export function createFollower(exec: ExecPort, clock: ClockPort): Follower {
  let current: Seen | null = null;
  /** Told about each new picture, and null when it is lost. */
  const waiting = new Set<(seen: Seen | null) => void>();
  let hurry: () => void = () => undefined;
  let endRunning: (why: string) => void = () => undefined;
  let isAnew = false;

  function tell(seen: Seen | null): void {
    current = seen;
    for (const listener of waiting) listener(seen);
  }

  function start(onChange: (views: ReadonlyMap<string, DrbdView>) => void, onLost: (why: string) => void) {
    const stopping = new AbortController();
    let stream: LineStream | null = null;
    let told = "";

    async function follow(): Promise<void> {
      let pauseMs = firstPauseMs;
      while (!stopping.signal.aborted) {
        const { why, wasWhole } = await one();
        tell(null);
        if (stopping.signal.aborted) return;
        // The same complaint every few seconds (module not loaded) is told once.
        if (wasWhole || why !== told) onLost(why);
        told = why;
        pauseMs = wasWhole || isAnew ? firstPauseMs : Math.min(pauseMs * 2, longestPauseMs);
        isAnew = false;
        const early = new AbortController();
        hurry = () => early.abort();
        await clock.sleep(pauseMs, AbortSignal.any([stopping.signal, early.signal]));
      }
    }

    /** One stream from its start to its end. */
    function one(): Promise<{ why: string; wasWhole: boolean }> {
      return new Promise((resolve) => {
        const picture = createEventPicture();
        let scheduled = false;
        let over = false;
        const finish = (why: string) => {
          if (over) return;
          over = true;
          stream?.stop();
          resolve({ why, wasWhole: picture.complete() });
        };
        const show = () => {
          scheduled = false;
          if (over) return;
          const seen = picture.resources();
          if (!seen.ok) {
            finish(`drbdsetup events2 printed what cannot be read: ${seen.error}`);
            return;
          }
          told = "";
          tell(seen.value);
          onChange(viewsOf(seen.value));
        };
        stream = exec.lines(
          "drbdsetup",
          ["events2", "--statistics"],
          (line) => {
            const effect = picture.apply(line);
            if (effect === "unreadable") finish(`drbdsetup events2 printed what cannot be read: ${line}`);
            if (effect === "ignored" || !picture.complete() || scheduled || over) return;
            // One picture for all lines that arrive together: a change of state comes as several lines.
            scheduled = true;
            queueMicrotask(show);
          },
          finish,
        );
        // Also the end of the program's first line may come before `lines` returned; then nothing is left to stop.
        stopping.signal.addEventListener("abort", () => finish("stopped"), { once: true });
        endRunning = finish;
      });
    }

    void follow();
    return { stop: () => stopping.abort() };
  }

  function waitFor(wanted: (seen: Seen) => boolean, withinMs: Millis): Promise<Seen | null> {
    const now = current;
    if (now === null) return Promise.resolve(null);
    if (wanted(now)) return Promise.resolve(now);
    return new Promise((resolve) => {
      const done = new AbortController();
      const listener = (seen: Seen | null) => {
        if (seen !== null && !wanted(seen)) return;
        waiting.delete(listener);
        resolve(seen);
        done.abort();
      };
      waiting.add(listener);
      void clock.sleep(withinMs, done.signal).then(() => {
        if (waiting.delete(listener)) resolve(null);
      });
    });
  }

  function beginAnew(why: string): void {
    isAnew = true;
    endRunning(why);
    hurry();
  }

  return { seen: () => current, waitFor, beginAnew, start };
}

export function viewsOf(seen: Seen): ReadonlyMap<string, DrbdView> {
  return new Map([...seen].map(([name, resource]) => [name, resource.view]));
}
