// The brain of a host that holds no copy of the storage: the pool's decision alone, fed by the same messages.

import { performance } from "node:perf_hooks";
import type { Brain } from "./brain.ts";
import type { FromBrain, MemberStart } from "./messages.ts";
import { startPoolBrain, type PoolBrainParts } from "./pool-brain.ts";
import { beatPulse, watchPulse } from "./pulse.ts";

/** The hands must have shown a pulse this recently for a token to go out. */
const PULSE_MS = 2_000;
const BRAIN_PULSE_MS = 500;

export async function startMemberBrain(
  start: MemberStart,
  parts: Pick<PoolBrainParts, "link" | "watchdog"> & { readonly send: (message: FromBrain) => void },
): Promise<Brain> {
  const hands = watchPulse(start.pulses, "hands", performance.now());
  const handsAlive = (): boolean => hands.silentMs(performance.now()) < PULSE_MS;
  const pool = await startPoolBrain(start.pool, { ...parts, handsAlive, pair: null });
  const pulse = setInterval(() => beatPulse(start.pulses, "brain"), BRAIN_PULSE_MS);
  parts.send({ kind: "ready" });
  return {
    receive(message) {
      switch (message.kind) {
        case "pool-event":
          return pool.feed(message.event);
        case "keys":
          return pool.setKeys(message.keys);
        case "stop":
          clearInterval(pulse);
          void pool.stop();
          return;
        case "event":
        case "show":
          // Of the pair, and of no concern here.
          return;
      }
    },
  };
}
