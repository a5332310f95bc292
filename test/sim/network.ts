// Two networks between the hosts, each with a port per host and direction, a switch on the management side with the
// gateway behind it, and whatever packets suffer on the way.

import type { Link } from "../../src/core/model/peer.ts";
import type { Random } from "./random.ts";
import { type HostName, NAMES, other } from "./settings.ts";

export const LINKS: readonly Link[] = ["management", "replication"];

export interface Quality {
  /** Probability that a packet is lost, and that it arrives twice. */
  loss: number;
  twice: number;
  /** Milliseconds on the way, uniform up to this; packets overtake one another. */
  delay: number;
}

export interface Network {
  /** Cable and NIC of a host on a network, both directions. */
  readonly links: Record<Link, Record<HostName, boolean>>;
  /** One direction of a port: false = nothing goes out, or nothing comes in. */
  readonly out: Record<Link, Record<HostName, boolean>>;
  readonly in: Record<Link, Record<HostName, boolean>>;
  readonly quality: Record<Link, Quality>;
  /** The management switch; without it nothing passes on that network. */
  switchUp: boolean;
  /** The heuristic address answers. */
  gateway: boolean;
  /** Nothing of this host reaches the other one although both reach the gateway; both at once is what H1 excludes. */
  readonly filtered: Record<HostName, boolean>;
}

const both = (): Record<HostName, boolean> => ({ a: true, b: true });

export function createNetwork(): Network {
  return {
    links: { management: both(), replication: both() },
    out: { management: both(), replication: both() },
    in: { management: both(), replication: both() },
    quality: { management: perfect(), replication: perfect() },
    switchUp: true,
    gateway: true,
    filtered: { a: false, b: false },
  };
}

export const perfect = (): Quality => ({ loss: 0, twice: 0, delay: 0 });

export function healNetwork(network: Network): void {
  for (const link of LINKS) {
    network.quality[link] = perfect();
    for (const name of NAMES) {
      network.links[link][name] = true;
      network.out[link][name] = true;
      network.in[link][name] = true;
    }
  }
  for (const name of NAMES) network.filtered[name] = false;
  network.switchUp = true;
  network.gateway = true;
}

/** A packet of this host reaches the other one's NIC. */
export function passes(network: Network, link: Link, from: HostName): boolean {
  const to = other(from);
  if (network.filtered[from] || (link === "management" && !network.switchUp)) return false;
  const ports = network.links[link];
  return ports[from] && ports[to] && network.out[link][from] && network.in[link][to];
}

/** Questions and answers pass: TCP and ARP need both directions. */
export const talks = (network: Network, link: Link): boolean =>
  passes(network, link, "a") && passes(network, link, "b");

/** Echo requests of this host reach the gateway and the answers come back. */
export const reachesGateway = (network: Network, host: HostName): boolean => network.gateway && onSwitch(network, host);

/** The host can talk to machines on the management switch (gateway, BMCs). */
export const onSwitch = (network: Network, host: HostName): boolean =>
  network.switchUp && network.links.management[host] && network.out.management[host] && network.in.management[host];

/** Delays after which copies of one packet arrive; empty = lost. */
export function copies({ loss, twice, delay }: Quality, random: Random): readonly number[] {
  if (loss === 0 && twice === 0 && delay === 0) return ONE_COPY;
  if (random.chance(loss)) return [];
  const way = (): number => 1 + random.next() * delay;
  if (!random.chance(twice)) return [way()];
  // A duplicate may come at once, or be played back much later.
  return [way(), random.chance(0.2) ? 5_000 + random.next() * 20_000 : way()];
}
const ONE_COPY: readonly number[] = [1];
