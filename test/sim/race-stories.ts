// Trouble at the very moment of an order, or two orders at once: the windows are a few milliseconds wide, so the faults are
// laid around them.

import type { Fault } from "./faults.ts";
import { manual, order, type Told } from "./operator-stories.ts";
import type { Random } from "./random.ts";
import { NAMES, other, R, type HostName } from "./settings.ts";

/** Stories about these two hosts, of which the caller picks one. `host` owns the storage as often as not. */
export function raceStories(random: Random, host: HostName): readonly (() => Told)[] {
  const peer = other(host);
  const span = (low: number, high: number): number => Math.round(random.between(low, high));
  const off = (name: HostName, backMs: number | null): Fault => ({ at: 0, kind: "power-loss", host: name, backMs });
  const writesFail = (name: HostName, ms: number): Fault => ({
    at: 0,
    kind: "action",
    host: name,
    effect: "persist",
    fault: "fails",
    always: true,
    ms,
  });
  const bothManual: Told = [
    [0, manual("a", true)],
    [span(0, 300), manual("b", true)],
  ];
  const takes = order(peer, { kind: "become-primary", force: random.chance(0.3) });
  const switches = (name: HostName): Fault => order(name, { kind: "switch", storageOnly: random.chance(0.5) });
  return [
    // Somebody takes the storage without a look at the other host.
    () => [
      ...bothManual,
      [
        span(600, 1_500),
        random.pick<Fault>([
          { at: 0, kind: "drbd-drop" },
          { at: 0, kind: "target-crash", host },
          { at: 0, kind: "link-loss", host, link: "replication", ms: span(2_000, 15_000) },
          { at: 0, kind: "action", host, effect: "promote", fault: "fails", always: true, ms: 15_000 },
        ]),
      ],
      ...(random.chance(0.5) ? [[1_600, off(host, span(1_000, 4_000))] as const] : []),
      [span(1_500, 2_500), takes],
      [span(3_000, 16_000), takes],
    ],
    // The copy of the host that is to take it is not up, not known to be the newest, or left behind.
    () => [
      ...bothManual,
      [span(600, 900), order(host, { kind: "become-secondary" })],
      [1_000, { at: 0, kind: "action", host: peer, effect: "drbd-up", fault: "slow", always: true, ms: 9_000 }],
      [span(1_000, 1_600), { at: 0, kind: "resource-down", host: peer, resource: R }],
      [span(1_700, 6_000), takes],
    ],
    () => [
      ...bothManual,
      [span(600, 2_000), off(peer, span(1_000, 3_000))],
      [span(1_500, 2_500), off(host, null)],
      [span(7_000, 14_000), takes],
    ],
    () => [
      ...bothManual,
      [600, { at: 0, kind: "link-loss", host: peer, link: "management", ms: span(5_000, 9_000) }],
      [600, { at: 0, kind: "link-loss", host: peer, link: "replication", ms: 25_000 }],
      [span(9_700, 12_000), takes],
    ],
    // While the floating IP is answered by a third machine.
    () => [
      ...bothManual,
      [span(600, 2_000), off(host, null)],
      [span(2_000, 6_000), { at: 0, kind: "vip-conflict", ms: 20_000 }],
      [span(6_000, 8_000), order(peer, { kind: "confirm-peer-off" })],
      [span(9_000, 20_000), order(peer, { kind: "become-primary", force: true })],
    ],
    // A switch ordered on both hosts, or into a disk that fails, a link that is bad, a record that is slow.
    () => [
      [0, switches(host)],
      [span(0, 600), switches(peer)],
    ],
    () => [
      [0, switches(host)],
      [span(0, 600), { at: 0, kind: "disk-failure", host: peer }],
    ],
    () => [
      [0, switches(host)],
      [
        span(0, 600),
        { at: 0, kind: "bad-link", link: "management", quality: { loss: 0.5, twice: 0.2, delay: 0 }, ms: 5_000 },
      ],
    ],
    () => [
      [0, { at: 0, kind: "action", host: "b", effect: "persist", fault: "slow", always: true, ms: 15_000 }],
      [span(100, 1_000), switches(random.pick(NAMES))],
      [span(4_000, 9_000), switches(random.pick(NAMES))],
    ],
    // Two daemons are exchanged at once; or one of a host that has just come back, whose VMs are being started elsewhere.
    () => [
      [0, order(host, { kind: "pause" })],
      [span(0, 12), order(peer, { kind: "pause" })],
    ],
    () => {
      const backMs = span(11_000, 16_000);
      return [
        [0, off(host, backMs)],
        [backMs + span(2_500, 6_000), order(host, { kind: "pause" })],
        [backMs + span(4_000, 9_000), order(host, { kind: "pause" })],
      ];
    },
    () => [
      [0, { at: 0, kind: "bad-link", link: "management", quality: { loss: 0.3, twice: 0, delay: 700 }, ms: 9_000 }],
      [0, { at: 0, kind: "link-loss", host, link: "replication", ms: 9_000 }],
      [span(500, 4_000), order(random.pick(NAMES), { kind: "pause" })],
    ],
    // The owner is back while the record of the takeover is still on its way to a slow or full disk.
    () => [
      [0, off(host, span(12_000, 15_500))],
      [
        9_000,
        {
          at: 0,
          kind: "action",
          host: peer,
          effect: "persist",
          fault: random.pick(["slow", "fails"] as const),
          always: true,
          ms: 12_000,
        },
      ],
      [span(9_000, 13_000), { at: 0, kind: "link-loss", host, link: "replication", ms: 15_000 }],
    ],
    // HA is left and entered while the other host's root disk is full, or its witness does not answer.
    () => [
      [0, writesFail(peer, 14_000)],
      [span(0, 1_500), manual(peer, true)],
      [span(200, 4_000), order(host, { kind: "disable", force: random.chance(0.7) })],
      [span(7_000, 12_000), order(host, { kind: "enable", force: false })],
    ],
    () => [
      [0, order(host, { kind: "disable", force: false })],
      [span(1_000, 3_000), { at: 0, kind: "witness-cut", host: peer, ms: 25_000 }],
      [span(15_000, 20_000), order(host, { kind: "enable", force: random.chance(0.5) })],
    ],
    // The copies grew apart, perhaps after one host went on alone, and trouble comes with the choice.
    () => {
      const choice = span(18_000, 28_000);
      const trouble = random.pick<Told>([
        [[choice + span(-200, 40), order(host, { kind: "resolve-split-brain", snapshot: false })]],
        [[choice + span(2, 30), order(host, { kind: "resolve-split-brain", snapshot: false })]],
        [
          [choice + span(0, 60), off(host, null)],
          [choice + 27_000, { at: 0, kind: "drbd-drop" }],
        ],
        [
          [choice - 600, writesFail(host, 4_000)],
          [choice - 500, manual(host, true)],
        ],
      ]);
      return [
        ...(random.chance(0.5) ? [[0, off(peer, null)] as const] : []),
        [5_000, off(host, null)],
        [5_000, off(peer, null)],
        [5_100, { at: 0, kind: "grown-apart" }],
        [span(6_500, 8_000), { at: 0, kind: "power-on", host }],
        [span(6_500, 8_000), { at: 0, kind: "power-on", host: peer }],
        ...trouble,
        [choice, order(peer, { kind: "resolve-split-brain", snapshot: random.chance(0.5) })],
      ];
    },
  ];
}
