// Which certificate belongs to which address of the pool, as the pool's database said last. Keeps what it knew while the
// database is silent; never guesses: an address without a known certificate has no pin.

import type { PoolView } from "./port.ts";

export interface Pins {
  /** The newest view of the pool; a host that is gone from it loses its pin. */
  learn(view: PoolView): void;
  /** SHA-256 fingerprint; null: none is known. */
  readonly pinOf: (address: string) => string | null;
}

export function createPins(): Pins {
  let pins: ReadonlyMap<string, string> = new Map();
  return {
    learn(view) {
      const addressOf = new Map(view.hosts.map((host) => [host.ref, host.address]));
      pins = new Map(
        view.certificates.flatMap(({ host, fingerprint }) => {
          const address = addressOf.get(host);
          return address === undefined || fingerprint === "" ? [] : [[address, fingerprint] as const];
        }),
      );
    },
    pinOf: (address) => pins.get(address) ?? null,
  };
}
