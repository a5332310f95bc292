// Addresses and networks, on node:net. Never touches the network.

import { BlockList, isIP } from "node:net";

export interface InterfaceAddress {
  readonly address: string;
  readonly prefix: number;
}

const family = (address: string): "ipv4" | "ipv6" | null => {
  const version = isIP(address);
  return version === 0 ? null : version === 4 ? "ipv4" : "ipv6";
};

/** 255.255.255.0 -> 24, "24" -> 24, "" -> null; undefined when it is neither a contiguous mask nor a length. */
export function prefixOf(mask: string, address: string): number | null | undefined {
  if (mask === "") return null;
  const bits = family(address) === "ipv6" ? 128 : 32;
  if (/^[0-9]{1,3}$/.test(mask)) {
    const length = Number(mask);
    return length >= 1 && length <= bits ? length : undefined;
  }
  if (isIP(mask) !== 4 || bits !== 32) return undefined;
  const word = mask
    .split(".")
    .map((part) => Number(part).toString(2).padStart(8, "0"))
    .join("");
  return /^1+0*$/.test(word) ? word.lastIndexOf("1") + 1 : undefined;
}

/** Is `address` in the network of `network`? False for different families. */
export function isInside(address: string, network: InterfaceAddress): boolean {
  const own = family(address);
  const other = family(network.address);
  if (own === null || other === null || own !== other) return false;
  const list = new BlockList();
  list.addSubnet(network.address, network.prefix, other);
  return list.check(address, own);
}

/** The same address, however it is written (fd00::1 and fd00:0::1). */
export function isSameAddress(left: string, right: string): boolean {
  const version = family(right);
  return isInside(left, { address: right, prefix: version === "ipv6" ? 128 : 32 });
}
