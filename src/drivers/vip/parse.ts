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
