// How long the agreement about the exchange of a daemon holds. Pure.

import type { CoreConfig } from "../model/config.ts";
import type { HeartbeatBody } from "../model/peer.ts";
import { inForce } from "../rules.ts";

/**
 * A7: what was agreed for the exchange of a daemon holds until the next one's watchdog is armed. Before that a daemon that
 * hangs is stopped by nothing, and no time that passes is a proof (I-c).
 */
export function stillAgreed(config: CoreConfig, before: HeartbeatBody | null, next: HeartbeatBody): HeartbeatBody {
  const waits =
    inForce(config, "A7") &&
    config.watchdogUsed &&
    before?.intent === "paused" &&
    before.bootId === next.bootId &&
    next.intent === "none" &&
    next.ha !== "off" &&
    !next.watchdogArmed;
  return waits ? { ...next, intent: "paused" } : next;
}
