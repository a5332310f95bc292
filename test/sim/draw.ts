// Faults from the seed: kinds, places and durations, around the protocol's own times as often as anywhere else.

import type { Policy } from "../../src/core/model/config.ts";
import type { Command } from "../../src/core/model/event.ts";
import type { Fault } from "./faults.ts";
import { LINKS, type Quality } from "./network.ts";
import type { Random } from "./random.ts";
import { NAMES, R, TIMERS, type HostName } from "./settings.ts";
import type { EffectKind } from "./sim.ts";

const EFFECTS: readonly EffectKind[] = [
  "persist",
  "persist",
  "drbd-up",
  "promote",
  "demote",
  "outdate",
  "resume-io",
  "target-warm",
  "target-fill",
  "target-bar-peer",
  "portal-open",
  "target-withdraw",
  "block-portal",
  "unblock-portal",
  "vip-add",
  "vip-remove",
  "pause-domains",
  "unpause-domains",
  "watchdog-arm",
  "xapi-promote",
  "recover-peer",
];

const COMMANDS: readonly Command[] = [
  { kind: "switch", storageOnly: false },
  { kind: "switch", storageOnly: true },
  { kind: "disable", force: false },
  { kind: "enable", force: false },
  { kind: "manual", on: true, force: false },
  { kind: "manual", on: false, force: false },
  { kind: "maintenance", on: true },
  { kind: "maintenance", on: false },
  { kind: "become-primary", force: false },
  { kind: "become-primary", force: true },
  { kind: "become-secondary" },
  { kind: "disable", force: true },
  { kind: "enable", force: true },
  { kind: "manual", on: false, force: true },
  { kind: "confirm-peer-off" },
  { kind: "resolve-split-brain", snapshot: false },
];

/** Half of ρ (F3): two clocks then differ by ρ at most. */
export const MOST_SLEWED = 500;

/** Around the protocol's own times as often as anywhere else. */
export function drawDuration(random: Random): number {
  if (random.chance(0.4)) return Math.round(random.pick(Object.values(EDGES)) + random.between(-600, 600));
  return Math.round(random.chance(0.3) ? random.between(100, 4_000) : random.between(2_000, 40_000));
}
const EDGES = {
  suspect: TIMERS.suspect,
  dead: TIMERS.dead,
  lease: TIMERS.lease,
  watchdog: TIMERS.lease + TIMERS.watchdog,
  reset: TIMERS.lease + TIMERS.watchdog + TIMERS.reset,
  take: TIMERS.take,
};

export interface FaultOptions {
  readonly policy: Policy;
  /** Faults outside H1: only for policies that do not need it. */
  readonly filters: boolean;
}

/** One fault at this instant; durations reach from a blink to longer than every timer. */
export function drawFault(random: Random, at: number, options: FaultOptions): Fault {
  const host = random.pick(NAMES);
  const link = random.pick(LINKS);
  const ms = drawDuration(random);
  const way = random.pick(["in", "out"] as const);
  const kinds: readonly (() => Fault)[] = [
    () => ({
      at,
      kind: "power-loss",
      host,
      backMs: random.chance(0.5) ? null : Math.round(random.between(3_000, 30_000)),
    }),
    () => ({ at, kind: "reboot", host, backMs: Math.round(random.between(2_000, 25_000)) }),
    () => ({
      at,
      kind: "daemon-crash",
      host,
      backMs: Math.round(random.between(50, random.chance(0.7) ? 1_500 : 20_000)),
    }),
    () => ({
      at,
      kind: random.pick(["announced-reboot", "orderly-restart"] as const),
      host,
      afterMs: Math.round(random.between(100, random.chance(0.7) ? 9_000 : 20_000)),
      backMs: Math.round(random.between(300, 15_000)),
    }),
    () => ({ at, kind: "brain-stall", host, ms }),
    () => ({ at, kind: "hands-stall", host, ms }),
    () => ({ at, kind: "kernel-freeze", host, ms }),
    () => ({ at, kind: "link-loss", host, link, ms }),
    () => ({ at, kind: "link-loss", host, link, ms }),
    () => ({ at, kind: "both-links-loss", host, ms }),
    () => ({ at, kind: "one-way-loss", host, link, way, ms }),
    () => ({ at, kind: "one-way-both", host, way, ms }),
    () => ({ at, kind: "one-way-filter", host, ms }),
    () => ({ at, kind: "power-on", host }),
    () => ({ at, kind: "bad-link", link, quality: drawQuality(random), ms }),
    () => ({ at, kind: "switch-loss", ms }),
    () => ({ at, kind: "gateway-loss", ms }),
    () => ({ at, kind: "bmc", host, how: random.pick(["dead", "lies", "slow"] as const), ms: 2 * ms }),
    () => ({ at, kind: "target-crash", host }),
    () => ({ at, kind: "target-hang", host, deep: random.chance(0.5), ms }),
    () => ({ at, kind: "drbd-stall", host, ms }),
    () => ({ at, kind: "xapi-hang", host, ms: 2 * ms }),
    () => ({ at, kind: "torn-record", host, backMs: Math.round(random.between(2_000, 20_000)) }),
    () => ({ at, kind: "clock-jump", host, ppm: Math.round(random.between(-MOST_SLEWED, MOST_SLEWED)) }),
    () => ({ at, kind: "config-changes", host, factor: random.pick([0.8, 1.25, 1.6]), gapMs: drawDuration(random) }),
    () => drawAction(random, at, host, ms),
    () => drawAction(random, at, host, ms),
    () => ({ at, kind: "slow-host", host, factor: Math.round(random.between(2, 20)), ms }),
    () => ({ at, kind: "drbd-drop" }),
    () => ({ at, kind: "resource-down", host, resource: R }),
    () => ({ at, kind: "disk-failure", host }),
    () => ({ at, kind: "config-differs", host, ms }),
    () => ({ at, kind: "vip-conflict", ms }),
    () => ({ at, kind: "master-moves" }),
    () => ({ at, kind: "command", host, command: random.pick(COMMANDS) }),
    () => ({ at, kind: "command", host, command: random.pick(COMMANDS) }),
    ...(options.policy === "witness"
      ? [(): Fault => ({ at, kind: "witness-restart", ms }), (): Fault => ({ at, kind: "witness-cut", host, ms })]
      : []),
    ...(options.filters ? [(): Fault => ({ at, kind: "filter", ms }), (): Fault => ({ at, kind: "filter", ms })] : []),
  ];
  return random.pick(kinds)();
}

function drawAction(random: Random, at: number, host: HostName, ms: number): Fault {
  const effect = random.pick(EFFECTS);
  const fault = random.pick(["fails", "done-but-failed", "slow", effect === "persist" ? "unsynced" : "late"] as const);
  return { at, kind: "action", host, effect, fault, always: random.chance(0.3), ms };
}

export const drawQuality = (random: Random): Quality => ({
  loss: random.chance(0.7) ? random.between(0, 0.5) : 0,
  twice: random.chance(0.5) ? random.between(0, 0.4) : 0,
  delay: random.chance(0.6) ? random.between(5, 900) : 0,
});
