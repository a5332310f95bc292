// Signs of life between the two threads, in memory that both see: nobody is woken for them. A pulse is counted, never
// dated: the threads' clocks begin at different moments.

import type { Instant, Millis } from "../../core/model/time.ts";

/** One counter per thread. */
export type Pulses = Int32Array<SharedArrayBuffer>;
export type PulseOf = "hands" | "brain";

const place: Readonly<Record<PulseOf, number>> = { hands: 0, brain: 1 };

export const createPulses = (): Pulses => new Int32Array(new SharedArrayBuffer(8));

export const beatPulse = (pulses: Pulses, of: PulseOf): void => void Atomics.add(pulses, place[of], 1);

export interface PulseWatch {
  /** How long ago the other thread lived for sure: counted from the look before the one that found a new pulse. */
  silentMs(now: Instant): Millis;
}

export function watchPulse(pulses: Pulses, of: PulseOf, now: Instant): PulseWatch {
  let seen = Atomics.load(pulses, place[of]);
  let lookedAt = now;
  let livedAt = now;
  return {
    silentMs(at) {
      const count = Atomics.load(pulses, place[of]);
      if (count !== seen) livedAt = lookedAt;
      seen = count;
      lookedAt = at;
      return at - livedAt;
    },
  };
}
