// What is known about one process of one VM, gathered from its lines; all times still on that guest's monotonic clock.
// Must never judge: analysis.ts and compare.ts do.
import type { Body, Hello, Message } from "./messages.ts";

/** Silence longer than this ends a stretch of execution: the process was paused, or dead. Beats come every 50 ms. */
export const SILENCE_MS = 200;

export interface AckRun {
  readonly from: number;
  to: number;
  /** Index in `ackTimes` of the first; -1 when only the ends are known (`firstAt`, `lastAt`). */
  readonly timeIndex: number;
  readonly firstAt: number;
  lastAt: number;
}

export interface Incarnation {
  readonly hello: Hello;
  /** Order of first contact; the older process of a VM has the lower one. */
  readonly order: number;
  /** Adds up with the guest's monotonic clock to the collector's: the quickest line so far. */
  offsetMs: number;
  /** How much later the quickest line of a later stretch was: a guest clock that stood still shows here. */
  clockSlipMs: number;
  readonly runs: AckRun[];
  ackCount: number;
  ackTimes: Float64Array;
  ackTimeCount: number;
  /** Stretches with signs of execution, [begin, end]. */
  readonly executing: [number, number][];
  found: Extract<Body, { k: "found" }> | undefined;
  bye: Extract<Body, { k: "bye" }> | undefined;
  readonly stalls: { readonly beginMono: number; readonly endMono: number; readonly seq: number }[];
  readonly errors: Map<string, number>;
  readonly events: { readonly mono: number; readonly what: string; readonly detail: string }[];
  windowBeganAt: number;
  windowOffsetMs: number;
}

const WINDOW_MS = 2000;

export function startIncarnation(hello: Hello, order: number): Incarnation {
  return {
    hello,
    order,
    offsetMs: Number.POSITIVE_INFINITY,
    clockSlipMs: 0,
    runs: [],
    ackCount: 0,
    ackTimes: new Float64Array(1024),
    ackTimeCount: 0,
    executing: [[hello.startedMono, hello.startedMono]],
    found: undefined,
    bye: undefined,
    stalls: [],
    errors: new Map(),
    events: [],
    windowBeganAt: hello.startedMono,
    windowOffsetMs: Number.POSITIVE_INFINITY,
  };
}

function noteClock(of: Incarnation, mono: number, receivedAtMs: number): void {
  const offset = receivedAtMs - mono;
  of.offsetMs = Math.min(of.offsetMs, offset);
  if (mono - of.windowBeganAt > WINDOW_MS) {
    if (Number.isFinite(of.windowOffsetMs)) of.clockSlipMs = Math.max(of.clockSlipMs, of.windowOffsetMs - of.offsetMs);
    of.windowBeganAt = mono;
    of.windowOffsetMs = offset;
  } else of.windowOffsetMs = Math.min(of.windowOffsetMs, offset);
}

function noteExecuting(of: Incarnation, from: number, to: number): void {
  const last = of.executing.at(-1);
  if (last && from <= last[1] + SILENCE_MS) last[1] = Math.max(last[1], to);
  else of.executing.push([from, to]);
}

function pushTime(of: Incarnation, at: number): void {
  if (of.ackTimeCount === of.ackTimes.length) {
    const grown = new Float64Array(of.ackTimes.length * 2);
    grown.set(of.ackTimes);
    of.ackTimes = grown;
  }
  of.ackTimes[of.ackTimeCount++] = at;
}

function noteAcks(of: Incarnation, line: Extract<Body, { k: "acks" }>): void {
  const last = of.runs.at(-1);
  const firstIndex = of.ackTimeCount;
  let at = line.at;
  pushTime(of, at);
  noteExecuting(of, at, at);
  for (const delta of line.d) {
    at += delta / 1000;
    pushTime(of, at);
    noteExecuting(of, at, at);
  }
  const count = line.d.length + 1;
  of.ackCount += count;
  const to = line.from + count - 1;
  if (last && last.timeIndex >= 0 && last.to + 1 === line.from) {
    last.to = to;
    last.lastAt = at;
  } else of.runs.push({ from: line.from, to, timeIndex: firstIndex, firstAt: line.at, lastAt: at });
}

export function noteMessage(of: Incarnation, message: Message, receivedAtMs: number): void {
  noteClock(of, message.mono, receivedAtMs);
  switch (message.k) {
    case "hello":
      return;
    case "found":
      of.found = message;
      return;
    case "acks":
      return noteAcks(of, message);
    case "ack-range":
      pushTime(of, message.firstAt);
      if (message.to > message.from) pushTime(of, message.lastAt);
      of.ackCount += message.to - message.from + 1;
      of.runs.push({
        from: message.from,
        to: message.to,
        timeIndex: -1,
        firstAt: message.firstAt,
        lastAt: message.lastAt,
      });
      return noteExecuting(of, message.firstAt, message.lastAt);
    case "alive":
      return noteExecuting(of, message.mono, message.mono);
    case "stall":
      of.stalls.push({ beginMono: message.beginMono, endMono: message.endMono, seq: message.seq });
      return;
    case "error":
      of.errors.set(message.what, (of.errors.get(message.what) ?? 0) + message.times);
      return;
    case "event":
      of.events.push({ mono: message.mono, what: message.what, detail: message.detail });
      return;
    case "bye":
      of.bye = message;
      return;
  }
}

/** Acknowledgement times on the guest's clock, ascending. */
export const ackTimesOf = (of: Incarnation): Float64Array => of.ackTimes.subarray(0, of.ackTimeCount);

/** Index of the first element above `limit` in an ascending array. */
export function firstAbove(times: Float64Array, limit: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Ranges of numbers acknowledged at or before `mono`. */
export function rangesBefore(of: Incarnation, mono: number): { readonly from: number; readonly to: number }[] {
  const ranges: { from: number; to: number }[] = [];
  for (const run of of.runs) {
    if (run.lastAt <= mono) ranges.push({ from: run.from, to: run.to });
    else if (run.firstAt <= mono) {
      const times = of.ackTimes.subarray(run.timeIndex, run.timeIndex + run.to - run.from + 1);
      const count = run.timeIndex < 0 ? 1 : firstAbove(times, mono);
      ranges.push({ from: run.from, to: run.from + count - 1 });
    }
  }
  return ranges;
}
