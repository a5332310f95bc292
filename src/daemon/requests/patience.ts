// Waiting with a voice: for something on this host to become so, or for a step on the pool that a restarting toolstack
// refuses. Whoever asked hears at least every so often that the daemon lives.

import type { Done, PoolContext } from "../../act/pool/procedure.ts";
import type { Millis } from "../../core/model/time.ts";
import type { ClockPort } from "../../drivers/clock/port.ts";
import type { Result } from "../../util/result.ts";

export interface MaintenanceTimes {
  /** xapi restarts when the master role moves, and boots slowly. */
  readonly toolstackMs: Millis;
  readonly resyncMs: Millis;
  readonly everyMs: Millis;
  /** Progress is told at least this often, so that the tool knows that the daemon lives. */
  readonly tellMs: Millis;
}

export const MAINTENANCE_WAITS: MaintenanceTimes = {
  toolstackMs: 300_000,
  resyncMs: 600_000,
  everyMs: 1_000,
  tellMs: 20_000,
};

type Perform = <T>(work: (context: PoolContext) => Promise<Done<T>>) => Promise<Result<T, string>>;
type Say = (text: string) => void;

export interface Patience {
  onPool<T>(
    say: Say,
    what: string,
    work: (context: PoolContext) => Promise<Done<T>>,
    withinMs: Millis,
  ): Promise<Result<T, string>>;
  wait(say: Say, withinMs: Millis, look: () => boolean, words: () => string): Promise<boolean>;
}

export function createPatience(
  clock: Pick<ClockPort, "now" | "sleep">,
  perform: Perform,
  times: Pick<MaintenanceTimes, "everyMs" | "tellMs">,
): Patience {
  /** A step on the pool, repeated while the toolstack restarts; a refusal of the step itself ends it at once. */
  async function onPool<T>(
    say: (text: string) => void,
    what: string,
    work: (context: PoolContext) => Promise<Done<T>>,
    withinMs: Millis,
  ): Promise<Result<T, string>> {
    const endAt = clock.now() + withinMs;
    let saidAt = clock.now();
    for (;;) {
      const done = await perform(work);
      if (done.ok || clock.now() >= endAt) return done;
      if (clock.now() - saidAt >= times.tellMs) {
        saidAt = clock.now();
        say(`${what}: trying again (${done.error})`);
      }
      await clock.sleep(times.everyMs);
    }
  }

  /** Waits for something this host can see; false when it did not come. */
  async function wait(
    say: (text: string) => void,
    withinMs: Millis,
    look: () => boolean,
    words: () => string,
  ): Promise<boolean> {
    const endAt = clock.now() + withinMs;
    let saidAt = clock.now();
    while (!look()) {
      if (clock.now() >= endAt) return false;
      if (clock.now() - saidAt >= times.tellMs) {
        saidAt = clock.now();
        say(words());
      }
      await clock.sleep(times.everyMs);
    }
    return true;
  }

  return { onPool, wait };
}
