// What is kept on disk of a maintenance that was begun.

import * as z from "zod/mini";

/** Kept on disk from the first step to the end of "off". */
export interface KeptMaintenance {
  /** `stopped`: something did not work and a person was told; nothing goes on by itself. */
  readonly phase: "entering" | "stopped" | "held" | "leaving";
  /** UUIDs of the VMs that were moved away for it. */
  readonly moved: readonly string[];
  readonly returnVms: boolean;
}

const keptSchema = z.object({
  phase: z.enum(["entering", "stopped", "held", "leaving"]),
  moved: z.array(z.string()),
  returnVms: z.boolean(),
});

export const parseKept = (value: unknown): KeptMaintenance | null => keptSchema.safeParse(value).data ?? null;
