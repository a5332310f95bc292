// Where on the paper an instant is. The seconds around what happened are drawn to scale; the quiet between is cut short and
// the cut is shown, because a failover takes fifteen seconds and the resync after it may take an hour. Pure.

import type { Millis } from "../../core/model/time.ts";

export interface Scale {
  x(atMs: Millis): number;
  /** Middles of the places where time was cut out. */
  readonly cuts: readonly number[];
  readonly ticks: readonly { readonly x: number; readonly atMs: Millis }[];
}

interface Piece {
  readonly fromMs: Millis;
  readonly toMs: Millis;
  readonly x: number;
  readonly width: number;
  readonly isCut: boolean;
}

/** Quiet that is longer than this beside a moment is cut. */
const AROUND_MS: Millis = 1_500;
const CUT_PX = 26;
const TICK_PX = 70;
const STEPS_MS: readonly Millis[] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 3_600_000];

export function scaleOf(moments: readonly Millis[], fromMs: Millis, toMs: Millis, left: number, width: number): Scale {
  const pieces = layOut(activeParts(moments, fromMs, toMs), fromMs, toMs, left, width);
  const x = (atMs: Millis): number => {
    const at = Math.min(Math.max(atMs, fromMs), toMs);
    const piece = pieces.find((one) => at <= one.toMs) ?? pieces.at(-1);
    if (piece === undefined) return left;
    return piece.x + ((at - piece.fromMs) / Math.max(1, piece.toMs - piece.fromMs)) * piece.width;
  };
  return {
    x,
    cuts: pieces.filter(({ isCut }) => isCut).map((piece) => piece.x + piece.width / 2),
    ticks: pieces.filter(({ isCut }) => !isCut).flatMap((piece) => ticksOf(piece)),
  };
}

function activeParts(moments: readonly Millis[], fromMs: Millis, toMs: Millis): { fromMs: Millis; toMs: Millis }[] {
  const parts: { fromMs: Millis; toMs: Millis }[] = [];
  for (const at of moments.toSorted((a, b) => a - b)) {
    const part = { fromMs: Math.max(fromMs, at - AROUND_MS), toMs: Math.min(toMs, at + AROUND_MS) };
    const last = parts.at(-1);
    if (last !== undefined && part.fromMs <= last.toMs + AROUND_MS) last.toMs = Math.max(last.toMs, part.toMs);
    else parts.push(part);
  }
  return parts.length === 0 ? [{ fromMs, toMs }] : parts;
}

function layOut(
  parts: readonly { readonly fromMs: Millis; readonly toMs: Millis }[],
  fromMs: Millis,
  toMs: Millis,
  left: number,
  width: number,
): readonly Piece[] {
  const spans: { fromMs: Millis; toMs: Millis; isCut: boolean }[] = [];
  let at = fromMs;
  for (const part of parts) {
    if (part.fromMs > at) spans.push({ fromMs: at, toMs: part.fromMs, isCut: true });
    spans.push({ ...part, isCut: false });
    at = part.toMs;
  }
  if (toMs > at) spans.push({ fromMs: at, toMs, isCut: true });
  const activeMs = parts.reduce((sum, part) => sum + part.toMs - part.fromMs, 0);
  const perMs = Math.max(0, width - CUT_PX * spans.filter(({ isCut }) => isCut).length) / Math.max(1, activeMs);
  let x = left;
  return spans.map((span) => {
    const piece = { ...span, x, width: span.isCut ? CUT_PX : (span.toMs - span.fromMs) * perMs };
    x += piece.width;
    return piece;
  });
}

function ticksOf({ fromMs, toMs, x, width }: Piece): { readonly x: number; readonly atMs: Millis }[] {
  const perMs = width / Math.max(1, toMs - fromMs);
  const step = STEPS_MS.find((one) => one * perMs >= TICK_PX) ?? 3_600_000;
  const first = Math.ceil(fromMs / step) * step;
  const count = Math.max(0, Math.floor((toMs - first) / step) + 1);
  return Array.from({ length: count }, (_, i) => first + i * step).map((atMs) => ({
    x: x + (atMs - fromMs) * perMs,
    atMs,
  }));
}
