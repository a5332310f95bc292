// How the storage changes hands: by the word of the host that gives it, or of the one that agrees to a claim.

import type { Instant } from "./time.ts";

/** The releaser's memory of a token it gave away (A9). */
export interface Handover {
  readonly token: string;
  readonly epoch: number;
  readonly deadline: Instant;
  readonly phase: "offered" | "cancelling";
  readonly pending: number | null;
  readonly designate: boolean;
  /** D15: no operator asked for it. */
  readonly automatic: boolean;
}

/** D13: my claim waits for the peer's durable yes. */
export interface Claim {
  readonly id: number;
  readonly epoch: number;
  readonly operator: boolean;
  readonly phase: "asking" | "persisting";
}
