// What a host and a witness tell one another (protocol.md 14). A grant is exclusive: while one host holds it, no other
// host gets it, and only a release ends it (A1).

import type { Millis } from "./time.ts";

export interface WitnessRequest {
  /** `query` changes nothing but what the witness knows of the owner; `grant` asks for the grant; `release` gives it back. */
  readonly kind: "query" | "grant" | "release";
  readonly resources: readonly string[];
  /** The epoch this host is in; of a `grant` the epoch it would commit, or is in already as the solo owner. */
  readonly epoch: number;
  /** This host durably owns the storage in its epoch. */
  readonly owner: boolean;
  /** It owns the storage and left the other copy behind: its grant must not be lost (A1). */
  readonly solo: boolean;
  /** The pool's T_take: how long a restarted witness grants no change of owner (A17). */
  readonly takeMs: Millis;
}

/** What one witness said, as the asking host sees it. */
export interface WitnessAnswer {
  /** Every resource asked about is granted to the asking host. */
  readonly granted: boolean;
  /** Who holds a grant of any of the resources; another host when there is one. */
  readonly holder: string | null;
  /** Highest epoch the witness knows of. */
  readonly epoch: number;
  /** To be quoted in the next grant or release; the witness forgets it with the first that does. */
  readonly stamp: number;
  /** Why a grant or release was refused; null when it was not, and for a query. */
  readonly refusal: string | null;
}

/** One question to every witness, in the order of the configuration. */
export interface WitnessRound {
  readonly request: WitnessRequest;
  /** Per witness the stamp it gave last; null when it never answered. */
  readonly stamps: readonly (number | null)[];
}
