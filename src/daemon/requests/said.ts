// What one check of `ha-cfg check` says, and how all of them are tried.

import type { Check } from "../../drivers/control/answers.ts";

export type Said = Pick<Check, "outcome" | "found" | "next">;
export const fine = (found: string): Said => ({ outcome: "ok", found, next: "" });
export const bad = (found: string, next: string): Said => ({ outcome: "failed", found, next });
export const warn = (found: string, next: string): Said => ({ outcome: "warning", found, next });
export const skip = (found: string): Said => ({ outcome: "skipped", found, next: "" });

export type Trial = readonly [id: string, title: string, look: () => Said | Promise<Said>];

/** Each on its own; one that throws has failed and harms no other. */
export function tryAll(trials: readonly Trial[]): Promise<readonly Check[]> {
  return Promise.all(
    trials.map(async ([id, title, look]): Promise<Check> => {
      try {
        return { id, title, ...(await look()) };
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return { id, title, ...bad(`it could not be tried: ${reason}`, "see 'ha-cfg log'") };
      }
    }),
  );
}
