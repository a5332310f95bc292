// Signs of life and vote samples: ICMP echo to the heuristic addresses, ARP to the peer on both networks.

import type { Millis } from "../../core/model/time.ts";

export type Answer =
  { readonly kind: "answered" } | { readonly kind: "silent" } | { readonly kind: "failed"; readonly reason: string };

export interface ProbePort {
  /** Up to 3 echo requests inside `withinMs`; one answer is enough for one address. */
  icmp(address: string, withinMs: Millis): Promise<Answer>;
  /** ARP request on one interface; hosts' firewalls do not filter it. */
  arp(address: string, device: string, withinMs: Millis): Promise<Answer>;
}
