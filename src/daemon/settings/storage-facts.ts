// Compares the configured storage with what this host really has: the addresses of the replication device and DRBD's
// configuration. Reads only. What cannot be looked at is a problem too: it is never taken for "all is well".

import type { Config } from "../../config/config.ts";
import { checkDrbdOptions } from "../../config/drbd-requirements.ts";
import type { Problem } from "../../config/problem.ts";
import { checkFloatingIp, checkResources } from "../../config/storage-checks.ts";
import type { DrbdTimings } from "../../config/timers.ts";
import { describe, type DriverError } from "../../drivers/driver-error.ts";
import type { DrbdPort } from "../../drivers/drbd/port.ts";
import type { DeviceAddress } from "../../drivers/vip/addresses.ts";
import type { Result } from "../../util/result.ts";

export interface StorageFinding {
  /** Every one keeps HA from being enabled, and a changed file from being taken up. */
  readonly problems: readonly Problem[];
  /** DRBD's own timings, of each of our resources: the inequalities must hold with all of them. */
  readonly timings: readonly DrbdTimings[];
}

export const NOTHING_FOUND: StorageFinding = { problems: [], timings: [] };

export interface StorageEyes {
  readonly drbd: Pick<DrbdPort, "configured">;
  /** Null: there is no such device. */
  readonly addressesOf: (device: string) => Promise<Result<readonly DeviceAddress[] | null, DriverError>>;
}

export async function lookAtStorage(config: Config, eyes: StorageEyes): Promise<StorageFinding> {
  const { storage } = config;
  if (storage === null) return NOTHING_FOUND;
  const [addresses, resources] = await Promise.all([eyes.addressesOf(storage.vip.device), eyes.drbd.configured()]);
  const ours = resources.ok ? resources.value.filter((one) => storage.resources.includes(one.name)) : [];
  return {
    problems: [
      ...(addresses.ok
        ? checkFloatingIp(storage, addresses.value)
        : [unreadable("the addresses of DRBD_INTERFACE", addresses.error, `ip addr show dev ${storage.vip.device}`)]),
      ...(resources.ok
        ? [...checkResources(storage, resources.value), ...checkDrbdOptions(ours)]
        : [unreadable("DRBD's configuration", resources.error, "drbdadm dump all")]),
    ],
    timings: ours.map((one) => one.timings),
  };
}

const unreadable = (path: string, error: DriverError, command: string): Problem => ({
  path,
  line: null,
  severity: "error",
  found: describe(error),
  expected: "an answer",
  action: `run \`${command}\` and correct what it reports`,
});
