// Compares the configured storage with what this host really has: the addresses of the replication device and DRBD's
// configuration. Reads only. What cannot be looked at is a problem too: it is never taken for "all is well".

import { existsSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { Config } from "../config/config.ts";
import type { InterfaceAddress } from "../config/network.ts";
import type { Problem } from "../config/problem.ts";
import { checkFloatingIp, checkResources } from "../config/storage-checks.ts";
import type { TimerFacts } from "../config/timers.ts";
import { describe } from "../drivers/driver-error.ts";
import type { DrbdPort } from "../drivers/drbd/port.ts";

export interface StorageFinding {
  /** Every one keeps HA from being enabled, and a changed file from being taken up. */
  readonly problems: readonly Problem[];
  /** DRBD's own timings, for the inequalities; null when they could not be read. The slowest of all resources counts. */
  readonly drbd: TimerFacts["drbd"] | null;
}

export interface StorageFactsOptions {
  readonly drbd: Pick<DrbdPort, "configured">;
  /** Null: there is no such device. */
  readonly addressesOf?: (device: string) => readonly InterfaceAddress[] | null;
}

export async function lookAtStorage(config: Config, options: StorageFactsOptions): Promise<StorageFinding> {
  const { storage } = config;
  if (storage === null) return { problems: [], drbd: null };
  const problems = [...checkFloatingIp(storage, (options.addressesOf ?? addressesOf)(storage.vip.device))];
  const found = await options.drbd.configured();
  if (!found.ok) {
    const unreadable: Problem = {
      path: "DRBD's configuration",
      line: null,
      severity: "error",
      found: describe(found.error),
      expected: "an answer of `drbdadm dump`",
      action: "run `drbdadm dump all` and correct what it reports",
    };
    return { problems: [...problems, unreadable], drbd: null };
  }
  const own = found.value.filter((one) => storage.resources.includes(one.name));
  const most = (of: (one: (typeof own)[number]["timings"]) => number): number =>
    Math.max(...own.map((one) => of(one.timings)));
  const least = (of: (one: (typeof own)[number]["timings"]) => number): number =>
    Math.min(...own.map((one) => of(one.timings)));
  const drbd: StorageFinding["drbd"] =
    own.length === 0
      ? null
      : {
          timeoutMs: most((t) => t.timeoutMs),
          pingTimeoutMs: most((t) => t.pingTimeoutMs),
          pingIntMs: most((t) => t.pingIntMs),
          // The timeout must stay below it, so here the shortest is the worst.
          connectIntMs: least((t) => t.connectIntMs),
        };
  return { problems: [...problems, ...checkResources(storage, found.value)], drbd };
}

function addressesOf(device: string): readonly InterfaceAddress[] | null {
  // A device that is down or has no address is not listed.
  const listed = networkInterfaces()[device];
  if (listed === undefined) return existsSync(`/sys/class/net/${device}`) ? [] : null;
  return listed.flatMap(({ address, cidr }) =>
    cidr === null ? [] : [{ address, prefix: Number(cidr.slice(cidr.lastIndexOf("/") + 1)) }],
  );
}
