// Pairs and triples of faults that belong together (protocol.md 9 and what its amendments were found with), with every
// time drawn anew: pure chance would need millions of schedules to line them up.

import type { Fault } from "./faults.ts";
import { operatorStories, type Told } from "./operator-stories.ts";
import { raceStories } from "./race-stories.ts";
import type { Random } from "./random.ts";
import { NAMES, other } from "./settings.ts";

/** A story that begins at this instant. */
export function drawStory(random: Random, at: number): readonly Fault[] {
  const host = random.pick(NAMES);
  const peer = other(host);
  const soon = (): number => random.between(0, 2_500);
  const span = (low: number, high: number): number => Math.round(random.between(low, high));
  const power = (name: typeof host, backMs: number | null): Fault => ({
    at: 0,
    kind: "power-loss",
    host: name,
    backMs,
  });
  const stories: readonly (() => Told)[] = [
    // Replication lost, consent given, then the owner dies: the outdated copy must wait.
    () => [
      [0, { at: 0, kind: "link-loss", host, link: "replication", ms: span(4_000, 40_000) }],
      [span(500, 9_000), power(host, null)],
    ],
    // Takeover, then the new owner dies too and the stale one comes back alone, or the other way round.
    () => [
      [0, power(host, null)],
      [span(2_000, 22_000), power(peer, null)],
      [span(14_000, 26_000), { at: 0, kind: "power-on", host: random.pick(NAMES) }],
    ],
    // Isolation of one host, while the other one's daemon or kernel stands still.
    () => [
      [soon(), { at: 0, kind: "both-links-loss", host, ms: span(3_000, 30_000) }],
      [
        soon(),
        {
          at: 0,
          kind: random.pick(["brain-stall", "kernel-freeze", "hands-stall"] as const),
          host: random.pick(NAMES),
          ms: span(500, 15_000),
        },
      ],
    ],
    // The vote is lost for a moment in the middle of an outage.
    () => [
      [0, power(host, null)],
      [span(500, 12_000), { at: 0, kind: "gateway-loss", ms: span(200, 4_000) }],
      [span(500, 12_000), { at: 0, kind: "brain-stall", host: peer, ms: span(300, 4_000) }],
    ],
    // One direction only between the hosts, the gateway fine for both.
    () => [
      [0, { at: 0, kind: "one-way-filter", host, ms: span(3_000, 30_000) }],
      [span(0, 15_000), { at: 0, kind: "daemon-crash", host: random.pick(NAMES), backMs: span(100, 3_000) }],
    ],
    // A hand-over with trouble in the middle of it.
    () => [
      [
        0,
        {
          at: 0,
          kind: "command",
          host: random.pick(NAMES),
          command: { kind: "switch", storageOnly: random.chance(0.5) },
        },
      ],
      [
        span(0, 700),
        random.pick<Fault>([
          power(host, span(3_000, 20_000)),
          { at: 0, kind: "both-links-loss", host, ms: span(200, 20_000) },
          { at: 0, kind: "daemon-crash", host, backMs: span(50, 3_000) },
          { at: 0, kind: "brain-stall", host, ms: span(200, 8_000) },
          { at: 0, kind: "one-way-filter", host, ms: span(200, 8_000) },
          { at: 0, kind: "kernel-freeze", host, ms: span(200, 15_000) },
        ]),
      ],
      [span(0, 700), { at: 0, kind: "slow-host", host: random.pick(NAMES), factor: span(3, 40), ms: span(500, 6_000) }],
    ],
    // HA is left or entered while the hosts lose one another.
    () => [
      [
        0,
        { at: 0, kind: "command", host, command: { kind: random.pick(["disable", "enable"] as const), force: false } },
      ],
      [span(0, 300), { at: 0, kind: "both-links-loss", host: random.pick(NAMES), ms: span(500, 25_000) }],
      [
        span(0, 8_000),
        random.pick<Fault>([power(peer, null), { at: 0, kind: "daemon-crash", host: peer, backMs: span(100, 9_000) }]),
      ],
    ],
    // A resync is cut short by the loss of its source.
    () => [
      [0, { at: 0, kind: "link-loss", host, link: "replication", ms: span(1_500, 5_000) }],
      [span(3_000, 11_000), power(host, random.chance(0.5) ? null : span(3_000, 20_000))],
    ],
    // The owner's record says solo, then everything is lost at once and comes back in some order.
    () => [
      [0, { at: 0, kind: "link-loss", host: "a", link: "replication", ms: span(2_000, 30_000) }],
      [span(2_500, 12_000), power(host, span(2_000, 12_000))],
      [span(2_500, 12_000), power(peer, span(2_000, 25_000))],
    ],
    // The fence device fails while the power is lost with it.
    () => [
      [0, { at: 0, kind: "bmc", host, how: random.pick(["dead", "lies", "slow"] as const), ms: span(2_000, 60_000) }],
      [
        soon(),
        random.pick<Fault>([power(host, null), { at: 0, kind: "kernel-freeze", host, ms: span(2_000, 30_000) }]),
      ],
    ],
    // The gateway is gone first, then the hosts lose one another and find together again.
    () => [
      [0, { at: 0, kind: random.pick(["switch-loss", "gateway-loss"] as const), ms: span(3_000, 30_000) }],
      [span(500, 6_000), { at: 0, kind: "link-loss", host, link: "replication", ms: span(2_000, 25_000) }],
    ],
  ];
  return random
    .pick([...stories, ...operatorStories(random, host), ...raceStories(random, host)])()
    .map(([offset, fault]) => ({ ...fault, at: Math.round(at + offset) }));
}
