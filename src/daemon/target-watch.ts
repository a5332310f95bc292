// A target that hangs is worse than one that died: the process is there and every initiator waits. It is asked as an initiator
// asks, and ended when it stays silent; its death is then handled like any other.

import type { Millis } from "../core/model/time.ts";
import type { TargetPort, TargetSpec } from "../drivers/iscsi-target/port.ts";
import { inStep } from "./in-step.ts";

const EVERY_MS: Millis = 2_000;
/** So many questions in a row without an answer, each with the driver's own deadline. */
const SILENT = 2;

export interface TargetWatch {
  stop(): void;
}

export interface TargetWatchOptions {
  readonly target: Pick<TargetPort, "answers" | "end">;
  readonly spec: TargetSpec;
  /** Is it filled, as far as is known? An empty one need not answer. */
  readonly serves: () => boolean;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly everyMs?: Millis;
}

export function watchTarget({ target, spec, serves, log, everyMs = EVERY_MS }: TargetWatchOptions): TargetWatch {
  let silent = 0;
  let asking = false;
  async function ask(): Promise<void> {
    const answers = await target.answers(spec);
    silent = answers || !serves() ? 0 : silent + 1;
    if (silent < SILENT) return;
    silent = 0;
    log("target.died", `the target gave no answer to an initiator ${SILENT} times in a row: ending it`, "error");
    target.end();
  }
  const timer = inStep(everyMs, () => {
    if (asking || !serves()) return;
    asking = true;
    void ask().finally(() => (asking = false));
  });
  return { stop: timer.stop };
}
