// What arping prints and what /proc/net/fib_trie shows. Pure.

/** iputils: `Unicast reply from 10.10.10.3 [02:AB:…]  0.7ms`; Habets' arping: `42 bytes from 02:ab:… (10.10.10.3): …`. */
export function parseArpingMac(text: string): string | null {
  const mac = /(?:reply from \S+ \[|bytes from )((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})/.exec(text)?.[1];
  return mac === undefined ? null : mac.toLowerCase();
}

/** `ip -o addr show dev X`: one address a line. With a peer address the own one comes first, its prefix with the peer. */
export function parseAddresses(text: string): readonly { readonly address: string; readonly prefix: number }[] {
  return [...text.matchAll(/\binet6?\s+([0-9A-Fa-f.:]+)(?:\s+peer\s+[0-9A-Fa-f.:]+)?\/(\d{1,3})\b/g)].map((found) => ({
    address: found[1] ?? "",
    prefix: Number(found[2]),
  }));
}

/** True when the kernel delivers packets for this IPv4 address to itself: the tree shows `|-- ADDRESS`, then its routes. */
export function hasLocalRoute(fibTrie: string, address: string): boolean {
  let isOurs = false;
  for (const line of fibTrie.split("\n")) {
    const node = /^\s*(?:\|--|\+--) (\S+)/.exec(line);
    if (node !== null) isOurs = node[1] === address;
    else if (isOurs && /^\s*\/32 \S+ LOCAL\s*$/.test(line)) return true;
  }
  return false;
}

/**
 * The same of IPv6: a line per route with destination, prefix, source, its prefix, next hop, metric, two counts, flags
 * (RTF_LOCAL is 0x80000000) and device. `kernels`: only the route that the kernel made itself, of metric 0.
 */
export function hasLocalRoute6(ipv6Route: string, address: string, kernels = false): boolean {
  const wanted = hexOf(address);
  return ipv6Route.split("\n").some((line) => {
    const [to, prefix, , , , metric = "", , , flags = "0"] = line.trim().split(/\s+/);
    const isLocal = to === wanted && prefix === "80" && Number.parseInt(flags, 16) >= 0x8000_0000;
    return isLocal && (!kernels || Number.parseInt(metric, 16) === 0);
  });
}

export const isLinkLocal = (address: string): boolean => /^fe[89ab]/i.test(address);

/** An IPv6 address as 32 hexadecimal digits; one with an IPv4 tail is none that a floating IP has. */
function hexOf(address: string): string {
  const [head = "", tail] = address.toLowerCase().split("::");
  const groups = (text: string | undefined) => (text === undefined || text === "" ? [] : text.split(":"));
  const left = groups(head);
  const right = groups(tail);
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right].map((group) => group.padStart(4, "0")).join("");
}
