// The witnesses of this pool: one question to all of them, one answer each within the deadline.

import type { WitnessAnswer, WitnessRound } from "../../core/model/witness.ts";
import type { Millis } from "../../core/model/time.ts";

export interface WitnessPort {
  /**
   * Asks every witness, in the order of the configuration. Resolves when all answered, at the latest after `timeoutMs`;
   * null stands for a witness that said nothing authentic by then, for whatever reason. A question may be carried out
   * although its answer is lost.
   */
  ask(round: WitnessRound, timeoutMs: Millis): Promise<readonly (WitnessAnswer | null)[]>;
  stop(): void;
}
