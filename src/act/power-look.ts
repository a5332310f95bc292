// Asks the fence device during an outage whether the silent peer is off already: a host that lost its power shoots nobody, so
// its turn need not be waited for (D14). What is found is a hint and no proof.

import { performance } from "node:perf_hooks";
import type { FencePort } from "../drivers/fence/port.ts";

export interface PowerLook {
  /** What the last question found, if that was just now; asks again meanwhile, one question at a time. */
  isOff(hostId: string): boolean;
}

const RECENT_MS = 2_000;

export function createPowerLook(
  fence: Pick<FencePort, "readsOff">,
  now: () => number = () => performance.now(),
): PowerLook {
  let asking = false;
  let offAt = -Infinity;
  async function ask(hostId: string): Promise<void> {
    asking = true;
    const asked = now();
    offAt = (await fence.readsOff(hostId)) ? asked : -Infinity;
    asking = false;
  }
  return {
    isOff(hostId) {
      if (!asking) void ask(hostId);
      return now() - offAt < RECENT_MS;
    },
  };
}
