// Orders of people that belong together, with trouble in the middle of them: manual mode, words about a host that is off, a
// split brain, a shutdown. Chance alone would hardly ever give them in their order.

import type { Command } from "../../src/core/model/event.ts";
import type { Fault } from "./faults.ts";
import type { Random } from "./random.ts";
import { NAMES, other, type HostName } from "./settings.ts";

export type Told = readonly (readonly [offsetMs: number, fault: Fault])[];

export const order = (host: HostName, command: Command): Fault => ({ at: 0, kind: "command", host, command });
export const manual = (host: HostName, on: boolean): Fault => order(host, { kind: "manual", on, force: false });

/** Stories about these two hosts, of which the caller picks one. */
export function operatorStories(random: Random, host: HostName): readonly (() => Told)[] {
  const peer = other(host);
  const span = (low: number, high: number): number => Math.round(random.between(low, high));
  const off = (name: HostName, backMs: number | null): Fault => ({ at: 0, kind: "power-loss", host: name, backMs });
  const trouble = (): Fault =>
    random.pick<Fault>([
      off(random.pick(NAMES), span(3_000, 20_000)),
      { at: 0, kind: "both-links-loss", host, ms: span(200, 20_000) },
      { at: 0, kind: "link-loss", host, link: "replication", ms: span(500, 20_000) },
      { at: 0, kind: "daemon-crash", host: random.pick(NAMES), backMs: span(50, 3_000) },
      { at: 0, kind: "slow-host", host: random.pick(NAMES), factor: span(3, 30), ms: span(500, 6_000) },
      { at: 0, kind: "target-crash", host },
      { at: 0, kind: "action", host, effect: "persist", fault: "fails", always: true, ms: span(500, 12_000) },
      { at: 0, kind: "drbd-drop" },
      { at: 0, kind: "disk-failure", host: peer },
      { at: 0, kind: "vip-conflict", ms: span(1_000, 20_000) },
    ]);
  return [
    // A script moves the storage by hand: secondary here, primary there, perhaps too soon or too late, or forgotten.
    () => [
      [0, manual("a", true)],
      [span(0, 300), manual("b", true)],
      [span(900, 1_500), order(host, { kind: "become-secondary" })],
      [span(1_600, random.chance(0.7) ? 4_000 : 16_000), order(peer, { kind: "become-primary", force: false })],
      [span(0, 6_000), trouble()],
    ],
    // The owner is lost in manual mode; a person looks, confirms it and takes the storage.
    () => [
      [0, manual("a", true)],
      [span(0, 300), manual("b", true)],
      [span(900, 2_000), off(host, random.chance(0.5) ? null : span(15_000, 30_000))],
      [span(3_000, 9_000), order(peer, { kind: "become-primary", force: false })],
      [span(4_000, 14_000), order(peer, { kind: "confirm-peer-off" })],
      [span(5_000, 16_000), order(peer, { kind: "become-primary", force: random.chance(0.7) })],
      ...(random.chance(0.4) ? [[span(0, 16_000), trouble()] as const] : []),
    ],
    // The vote, the witness or the fence device fails with the other host: a person's word instead.
    () => [
      [0, off(host, random.chance(0.6) ? null : span(12_000, 30_000))],
      [span(0, 2_000), { at: 0, kind: "gateway-loss", ms: span(4_000, 30_000) }],
      [span(0, 2_000), { at: 0, kind: "bmc", host, how: "dead", ms: 60_000 }],
      [span(3_000, 20_000), order(peer, { kind: "confirm-peer-off" })],
    ],
    // The copies grew apart; somebody chooses, perhaps both hosts at once, perhaps in the middle of more trouble.
    () => [
      [0, off(host, null)],
      [100, off(peer, null)],
      [200, { at: 0, kind: "grown-apart" }],
      [span(1_500, 4_000), { at: 0, kind: "power-on", host }],
      [span(1_500, 9_000), { at: 0, kind: "power-on", host: peer }],
      [span(8_000, 26_000), order(host, { kind: "resolve-split-brain", snapshot: random.chance(0.5) })],
      ...(random.chance(0.4)
        ? [[span(8_000, 26_000), order(peer, { kind: "resolve-split-brain", snapshot: true })] as const]
        : []),
      ...(random.chance(0.5) ? [[span(8_000, 27_000), trouble()] as const] : []),
    ],
    // Two people, or one who does not wait.
    () => [
      [0, order(host, { kind: random.pick(["disable", "enable"] as const), force: random.chance(0.3) })],
      [span(0, 400), order(random.pick(NAMES), { kind: "switch", storageOnly: random.chance(0.5) })],
      [span(0, 1_200), order(random.pick(NAMES), { kind: "pause" })],
      [span(0, 1_200), order(random.pick(NAMES), { kind: "maintenance", on: random.chance(0.7) })],
      [span(0, 2_000), trouble()],
    ],
    // HA is switched off and on again, by somebody who says everything twice.
    () => [
      [0, order(host, { kind: "disable", force: random.chance(0.4) })],
      [span(500, 2_500), order(random.pick(NAMES), { kind: "disable", force: false })],
      [span(2_000, 6_000), order(random.pick(NAMES), { kind: "enable", force: random.chance(0.2) })],
      [span(6_000, 12_000), order(random.pick(NAMES), { kind: "enable", force: false })],
      [span(0, 8_000), trouble()],
      [span(0, 8_000), trouble()],
    ],
    // A host is shut down while it, or the other one, is in trouble; it waits for its VMs longer than anybody has patience.
    () => [
      [0, trouble()],
      [
        span(0, 4_000),
        {
          at: 0,
          kind: "announced-reboot",
          host: random.pick(NAMES),
          afterMs: span(4_000, 20_000),
          backMs: span(1_000, 20_000),
        },
      ],
      [span(500, 9_000), { at: 0, kind: "vms-end", host: random.pick(NAMES) }],
    ],
  ];
}
