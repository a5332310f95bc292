// Figures out of what the measuring VMs reported: stalls, when storage was back, VMs that ran twice.
// Must stay pure, and must say "unknown" or "ongoing" rather than count silence as good.
import { ackTimesOf, firstAbove, type Incarnation } from "./facts.ts";

/** Error of the clock mapping between two guests: the quickest of many lines over the control network. */
export const CLOCK_TOLERANCE_MS = 20;
/** A pause in all acknowledgements shorter than this is no storage outage. */
const OUTAGE_LIMIT_MS = 50;

/** Collector's clock, ms. */
export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Stall {
  readonly vm: string;
  readonly stallMs: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** No acknowledgement ended it within the window. */
  readonly isOngoing: boolean;
  /** The VM was restarted or migrated within it: more than storage is measured. */
  readonly isAcrossProcesses: boolean;
}

export interface StorageBack {
  /** End of the longest outage of all VMs together that reaches beyond the fault, after the fault; 0 when there was none. */
  readonly storageBackMs: number;
  /** First acknowledged write after the fault, whoever got it: may be one that was already answered on the wire. */
  readonly firstAckAfterMs: number;
  readonly outageMs: number;
}

export interface DoubleRun {
  readonly vm: string;
  readonly first: { readonly node: string; readonly incarnation: string };
  readonly second: { readonly node: string; readonly incarnation: string };
  readonly fromMs: number;
  readonly toMs: number;
  readonly overlapMs: number;
}

interface Ack {
  readonly atMs: number;
  readonly process: string;
}

/** All acknowledgements around the window, ascending: the last before it, those in it, the first after it. */
function acksAround(processes: readonly Incarnation[], window: TimeWindow): Ack[] {
  const acks: Ack[] = [];
  for (const of of processes) {
    const times = ackTimesOf(of);
    const first = Math.max(0, firstAbove(times, window.fromMs - of.offsetMs) - 1);
    const last = Math.min(times.length, firstAbove(times, window.toMs - of.offsetMs) + 1);
    for (const mono of times.subarray(first, last))
      acks.push({ atMs: mono + of.offsetMs, process: of.hello.incarnation });
  }
  return acks.sort((a, b) => a.atMs - b.atMs);
}

interface Gap {
  readonly from: Ack | undefined;
  readonly to: Ack | undefined;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Longest time without an acknowledgement that touches the window; it may begin before the window. */
function longestGap(acks: readonly Ack[], window: TimeWindow): Gap | undefined {
  let longest: Gap | undefined;
  const consider = (from: Ack | undefined, to: Ack | undefined): void => {
    const fromMs = from?.atMs ?? window.fromMs;
    const toMs = to?.atMs ?? Math.max(window.toMs, fromMs);
    if (toMs <= window.fromMs || fromMs >= window.toMs) return;
    if (!longest || toMs - fromMs > longest.toMs - longest.fromMs) longest = { from, to, fromMs, toMs };
  };
  acks.forEach((ack, i) => consider(acks[i - 1], ack));
  consider(acks.at(-1), undefined);
  return longest;
}

/** `processes` are those of one VM. Nothing known about the VM in the window counts as a stall of the whole window. */
export function longestStall(vm: string, processes: readonly Incarnation[], window: TimeWindow): Stall {
  const gap = longestGap(acksAround(processes, window), window);
  const fromMs = gap?.fromMs ?? window.fromMs;
  const toMs = gap?.toMs ?? window.toMs;
  return {
    vm,
    stallMs: toMs - fromMs,
    fromMs,
    toMs,
    isOngoing: gap?.to === undefined,
    isAcrossProcesses: gap?.from !== undefined && gap.to !== undefined && gap.from.process !== gap.to.process,
  };
}

/** Undefined when no write was acknowledged after the outage: storage is not back. */
export function storageBack(
  processes: readonly Incarnation[],
  faultMs: number,
  untilMs: number,
): StorageBack | undefined {
  const window = { fromMs: faultMs, toMs: untilMs };
  const acks = acksAround(processes, window);
  const first = acks.find((ack) => ack.atMs > faultMs);
  const gap = longestGap(acks, window);
  if (!first || !gap) return undefined;
  const outageMs = gap.toMs - gap.fromMs;
  const firstAckAfterMs = first.atMs - faultMs;
  if (outageMs < OUTAGE_LIMIT_MS) return { storageBackMs: 0, firstAckAfterMs, outageMs };
  return gap.to ? { storageBackMs: gap.toMs - faultMs, firstAckAfterMs, outageMs } : undefined;
}

/** Two processes of one VM that executed at the same time. A migration hands over without overlap and does not count. */
export function findDoubleRuns(processes: readonly Incarnation[]): DoubleRun[] {
  const runs: DoubleRun[] = [];
  processes.forEach((a, i) => {
    for (const b of processes.slice(i + 1)) {
      if (a.hello.vm !== b.hello.vm) continue;
      for (const [aFrom, aTo] of a.executing) {
        for (const [bFrom, bTo] of b.executing) {
          const fromMs = Math.max(aFrom + a.offsetMs, bFrom + b.offsetMs);
          const toMs = Math.min(aTo + a.offsetMs, bTo + b.offsetMs);
          if (toMs - fromMs <= CLOCK_TOLERANCE_MS) continue;
          runs.push({
            vm: a.hello.vm,
            first: { node: a.hello.node, incarnation: a.hello.incarnation },
            second: { node: b.hello.node, incarnation: b.hello.incarnation },
            fromMs,
            toMs,
            overlapMs: toMs - fromMs,
          });
        }
      }
    }
  });
  return runs;
}

/** Ranges merged and ascending: the complete set of acknowledged numbers, whichever process got them. */
export function mergeRanges(
  ranges: readonly { readonly from: number; readonly to: number }[],
): { from: number; to: number }[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last && from <= last.to + 1) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}
