// Compares the storage section with what the host really has: interface addresses and DRBD's configuration. Pure: the
// caller asks the tools. Run at start, at reload and by `iscsi-cfg check`.

import { isIP } from "node:net";
import type { StorageConfig } from "./config.ts";
import { isInside, isSameAddress, type InterfaceAddress } from "./network.ts";
import type { Problem } from "./problem.ts";

const problem = (path: string, found: string, expected: string, action: string): Problem => ({
  path,
  line: null,
  severity: "error",
  found,
  expected,
  action,
});

/** `addresses`: of DRBD_INTERFACE, the floating IP itself left out by the caller or not; null: no such interface. */
export function checkFloatingIp(
  storage: StorageConfig,
  addresses: readonly InterfaceAddress[] | null,
): readonly Problem[] {
  const { address, device } = storage.vip;
  if (addresses === null) {
    return [
      problem(
        "storage.DRBD_INTERFACE",
        `no interface ${device}`,
        "a network device of this host",
        "see `ip addr show` for the device of the replication network",
      ),
    ];
  }
  const own = addresses.filter((one) => !isSameAddress(one.address, address));
  const sameFamily = own.filter((one) => isIP(one.address) === isIP(address));
  if (sameFamily.length === 0) {
    return [
      problem(
        "storage.DRBD_INTERFACE",
        `no address on ${device}`,
        `an address in the network of ${address}`,
        "configure the replication network first",
      ),
    ];
  }
  if (!sameFamily.some((one) => isInside(address, one))) {
    const networks = sameFamily.map((one) => `${one.address}/${one.prefix}`).join(", ");
    return [
      problem(
        "storage.DRBD_VIRTUAL_IP",
        address,
        `an address inside the network of ${device} (${networks})`,
        "choose a free address of that network",
      ),
    ];
  }
  return [];
}

/** A resource as DRBD's configuration has it (`drbdadm dump`). */
export interface FoundResource {
  readonly name: string;
  readonly devices: readonly string[];
}

/** udev's names of a resource's volumes. */
const isByName = (device: string, resource: string): boolean =>
  device === `/dev/drbd/by-res/${resource}` || device.startsWith(`/dev/drbd/by-res/${resource}/`);

/** Every resource and device named in tandem.yaml must be in DRBD's configuration. */
export function checkResources(storage: StorageConfig, found: readonly FoundResource[]): readonly Problem[] {
  const names = found.map((one) => one.name).join(", ") || "none";
  const missing = storage.resources
    .filter((name) => !found.some((one) => one.name === name))
    .map((name) =>
      problem(
        "storage.DRBD_RESOURCES",
        `no DRBD resource "${name}"`,
        `one of those in DRBD's configuration (${names})`,
        "correct the name, or create it with `iscsi-cfg setup`",
      ),
    );
  const devices = storage.target.luns.flatMap((lun) => {
    const resource = found.find((one) => one.name === lun.resource);
    if (resource === undefined || resource.devices.includes(lun.device) || isByName(lun.device, resource.name))
      return [];
    return [
      problem(
        `storage.LUNS (LUN ${lun.lun})`,
        lun.device,
        `the device of resource "${lun.resource}" (${resource.devices.join(", ") || "none"})`,
        "correct the device",
      ),
    ];
  });
  return [...missing, ...devices];
}
