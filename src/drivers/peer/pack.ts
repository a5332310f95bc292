// Packs the list of running domains: 16 bytes per UUID instead of 39 in JSON. Pure.

export interface PackedDomains {
  /** UUIDs in lower case, 16 bytes each, base64url. */
  readonly packed: string;
  /** Whatever is not written like such a UUID, as it is: an odd name must not silence the heartbeat. */
  readonly plain: readonly string[];
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function packDomains(domains: readonly string[]): PackedDomains {
  const packable = domains.filter((name) => uuid.test(name));
  return {
    packed: Buffer.from(packable.map((name) => name.replaceAll("-", "")).join(""), "hex").toString("base64url"),
    plain: domains.filter((name) => !uuid.test(name)),
  };
}

/** The same for one host that says the same list again and again: what did not change is not packed anew. */
export function createPacker(): (domains: readonly string[]) => PackedDomains {
  let last: readonly string[] = [];
  let packed = packDomains(last);
  return (domains) => {
    if (domains.length !== last.length || domains.some((name, i) => name !== last[i])) {
      packed = packDomains(domains);
      last = domains;
    }
    return packed;
  };
}

/** The sorted list, or null when the text is not a whole number of UUIDs. */
export function unpackDomains(wire: PackedDomains): readonly string[] | null {
  const bytes = Buffer.from(wire.packed, "base64url");
  if (bytes.length % 16 !== 0 || bytes.toString("base64url") !== wire.packed) return null;
  const domains = [...wire.plain];
  for (let at = 0; at < bytes.length; at += 16) {
    const hex = bytes.toString("hex", at, at + 16);
    domains.push([hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-"));
  }
  return domains.toSorted();
}
