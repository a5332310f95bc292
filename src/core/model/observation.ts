// Every observation is known, or unknown with a reason. Unknown never promotes, fences or starts a VM.

import type { Instant } from "./time.ts";

export type Observation<T> =
  | { readonly kind: "known"; readonly value: T; readonly at: Instant }
  | { readonly kind: "unknown"; readonly reason: string; readonly since: Instant };

export const known = <T>(value: T, at: Instant): Observation<T> => ({ kind: "known", value, at });
export const unknown = (reason: string, since: Instant): Observation<never> => ({ kind: "unknown", reason, since });

/** The value where it is known, else undefined: for callers that treat unknown as "no". */
export function valueOf<T>(observation: Observation<T>): T | undefined {
  return observation.kind === "known" ? observation.value : undefined;
}
