// Who may log in, and who while some are barred (D16). Pure but for the look at this host's own addresses.

import { BlockList, isIPv6, SocketAddress } from "node:net";
import { networkInterfaces } from "node:os";
import type { TargetSpec } from "./port.ts";

/** Does this entry of TARGET_INITIATORS (ALL, an address, a network) let `address` in? */
export function covers(entry: string, address: string): boolean {
  if (entry === "ALL" || plain(entry) === plain(address)) return true;
  const [network = "", prefix] = entry.split("/");
  if (prefix === undefined || isIPv6(network) !== isIPv6(address)) return false;
  const family = isIPv6(network) ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(network, Number(prefix), family);
  return list.check(address, family);
}

/**
 * The spec's list without `barred`. An entry of ALL, or a network that a barred address lies in, cannot leave one out: it is
 * replaced by this host's own addresses and `others`.
 */
export function allowedWithout(
  spec: Pick<TargetSpec, "allow" | "others">,
  barred: readonly string[],
  ownAddresses: () => readonly string[],
): readonly string[] {
  const kept = spec.allow.filter((entry) => !barred.some((address) => covers(entry, address)));
  const isWide = spec.allow.some((entry) => !kept.includes(entry) && !isAmong(barred, entry));
  const names = isWide ? [...ownAddresses(), ...(spec.others ?? [])] : [];
  return [...new Set([...kept, ...names.filter((address) => !isAmong(barred, address))])];
}

/** As every tool prints it: IPv6 in its canonical form, a single host without a prefix. People may write it otherwise. */
export function plain(entry: string): string {
  const [address = "", prefix] = entry.split("/");
  const shown = isIPv6(address) ? new SocketAddress({ address, family: "ipv6" }).address : address;
  return prefix === undefined || prefix === (isIPv6(address) ? "128" : "32") ? shown : `${shown}/${prefix}`;
}

export const isAmong = (list: readonly string[], address: string): boolean =>
  list.some((one) => plain(one) === plain(address));

export function hostAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((one) => one.address));
}

/** As tgtd and the kernel's target both name a portal. */
export const portalName = (address: string, port: number): string =>
  isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
