// When what a hand-over will run is started: a while after the last change, never in the middle of the hand-over that made it.

import type { Millis } from "../../core/model/time.ts";
import type { ExpectPort } from "./port.ts";

export interface Ahead {
  readonly port: ExpectPort;
  readonly afterMs?: Millis;
}

/** To be called at each change; `wanted` is asked when it is time. Without a port nothing is started. */
export function createAhead(
  ahead: Ahead | undefined,
  wanted: () => readonly (readonly [file: string, ...args: string[]])[],
): () => void {
  let waiting: NodeJS.Timeout | undefined;
  return () => {
    if (ahead === undefined) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      for (const [file, ...args] of wanted()) ahead.port.expect(file, args);
    }, ahead.afterMs ?? 5_000).unref();
  };
}
