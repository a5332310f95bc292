// What can go wrong, as data: a fault is drawn from the seed or written into a row, injected, shrunk and replayed.

import type { Command } from "../../src/core/model/event.ts";
import type { Link } from "../../src/core/model/peer.ts";
import type { Quality } from "./network.ts";
import type { HostName } from "./settings.ts";
import type { EffectKind } from "./sim.ts";
import { type ActionFault } from "./stage.ts";

export type Fault = { readonly at: number } & (
  | { readonly kind: "power-loss"; readonly host: HostName; readonly backMs: number | null }
  | { readonly kind: "reboot"; readonly host: HostName; readonly backMs: number }
  /** The host says that it leaves (A13), goes down, answered or not, and comes back. */
  | { readonly kind: "announced-reboot"; readonly host: HostName; readonly afterMs: number; readonly backMs: number }
  /** The daemon pauses (A7), stops, and a new one starts. */
  | { readonly kind: "orderly-restart"; readonly host: HostName; readonly afterMs: number; readonly backMs: number }
  | { readonly kind: "daemon-crash"; readonly host: HostName; readonly backMs: number }
  | { readonly kind: "brain-stall"; readonly host: HostName; readonly ms: number }
  | { readonly kind: "hands-stall"; readonly host: HostName; readonly ms: number }
  | { readonly kind: "kernel-freeze"; readonly host: HostName; readonly ms: number }
  | { readonly kind: "link-loss"; readonly host: HostName; readonly link: Link; readonly ms: number }
  | { readonly kind: "both-links-loss"; readonly host: HostName; readonly ms: number }
  | {
      readonly kind: "one-way-loss";
      readonly host: HostName;
      readonly link: Link;
      readonly way: "in" | "out";
      readonly ms: number;
    }
  | { readonly kind: "one-way-both"; readonly host: HostName; readonly way: "in" | "out"; readonly ms: number }
  | { readonly kind: "bad-link"; readonly link: Link; readonly quality: Quality; readonly ms: number }
  | { readonly kind: "switch-loss"; readonly ms: number }
  | { readonly kind: "gateway-loss"; readonly ms: number }
  | { readonly kind: "filter"; readonly ms: number }
  | { readonly kind: "one-way-filter"; readonly host: HostName; readonly ms: number }
  /** The process of the witness is away and starts anew (A17), perhaps without its file. */
  | { readonly kind: "witness-restart"; readonly ms: number; readonly emptied?: true }
  | { readonly kind: "witness-cut"; readonly host: HostName; readonly ms: number }
  /** The VMs of the host are shut down, by a person or before the host itself. */
  | {
      readonly kind: "vms-end";
      readonly host: HostName;
      /** The copy of the pool's database that a promotion starts from is older, and calls them running. */
      readonly unheard?: true;
    }
  | { readonly kind: "power-on"; readonly host: HostName }
  | { readonly kind: "bmc"; readonly host: HostName; readonly how: "dead" | "lies" | "slow"; readonly ms: number }
  | { readonly kind: "target-crash"; readonly host: HostName }
  /** The target answers nobody; hanging in the kernel (`deep`) it does not even end by SIGKILL before that is over. */
  | { readonly kind: "target-hang"; readonly host: HostName; readonly deep: boolean; readonly ms: number }
  /** DRBD's part of the kernel stands still, the daemon runs: nothing is written, no tool of DRBD ends. */
  | { readonly kind: "drbd-stall"; readonly host: HostName; readonly ms: number }
  /** The toolstack does not answer; after a while its restarts have not helped (D18). */
  | { readonly kind: "xapi-hang"; readonly host: HostName; readonly ms: number }
  /** The power fails and the record's file is found damaged: the daemon refuses to start until somebody moved it away. */
  | { readonly kind: "torn-record"; readonly host: HostName; readonly backMs: number }
  /** NTP steps the wall clock and slews the monotonic one, by so many millionths of the real rate. */
  | { readonly kind: "clock-jump"; readonly host: HostName; readonly ppm: number }
  | {
      readonly kind: "action";
      readonly host: HostName;
      readonly effect: EffectKind;
      readonly fault: ActionFault;
      readonly always: boolean;
      readonly ms: number;
    }
  | { readonly kind: "slow-host"; readonly host: HostName; readonly factor: number; readonly ms: number }
  | { readonly kind: "drbd-drop" }
  | { readonly kind: "resource-down"; readonly host: HostName; readonly resource: string }
  /** A resync that begins meanwhile takes so long. */
  | { readonly kind: "slow-resync"; readonly ms: number }
  /** Outside the hypotheses: each copy got writes that the other one never had, by force or by a broken device. */
  | { readonly kind: "grown-apart" }
  | { readonly kind: "disk-failure"; readonly host: HostName }
  | { readonly kind: "config-differs"; readonly host: HostName; readonly ms: number }
  /** The administrator changes the timers: each host takes them up in two steps (config/reload), one later than the other. */
  | { readonly kind: "config-changes"; readonly host: HostName; readonly factor: number; readonly gapMs: number }
  | { readonly kind: "vip-conflict"; readonly ms: number }
  | { readonly kind: "master-moves" }
  | { readonly kind: "command"; readonly host: HostName; readonly command: Command }
);

export function describeFault(fault: Fault | { readonly kind: string }): string {
  const words = Object.entries(fault).flatMap(([key, value]) =>
    key === "at" || key === "kind" ? [] : [`${key}=${typeof value === "object" ? JSON.stringify(value) : value}`],
  );
  return [fault.kind, ...words].join(" ");
}
