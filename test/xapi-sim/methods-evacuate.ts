/** Emptying a host: which VMs stand in the way, and moving the others. */
import { hasDrivers } from "./allowed.ts";
import { possibleHosts } from "./placement.ts";
import { action, query, type MethodTable } from "./method.ts";
import { asText, fail, toAnswer, type Json } from "./types.ts";
import { poolMigrate } from "./vm-power.ts";
import type { Xapi } from "./xapi.ts";

const guestsOf = (xapi: Xapi, host: string): string[] =>
  xapi.db.pointingAt("VM", "resident_on", host).filter((vm) => xapi.db.get("VM", vm, "is_control_domain") !== true);

/** Hosts other than its own where the VM could live. */
const refuges = (xapi: Xapi, vm: string, from: string): string[] => {
  try {
    return possibleHosts(xapi, vm).filter((host) => host !== from);
  } catch (error) {
    xapi.log(`no refuge for ${vm}: ${JSON.stringify(toAnswer(error))}`);
    return [];
  }
};

const obstacle = (xapi: Xapi, vm: string, host: string): string[] | undefined => {
  if (!hasDrivers(xapi.db, vm)) return ["VM_LACKS_FEATURE", vm];
  return refuges(xapi, vm, host).length === 0 ? ["NO_HOSTS_AVAILABLE", vm] : undefined;
};

const obstacles = (xapi: Xapi, host: string): Map<string, string[]> => {
  const found = new Map<string, string[]>();
  for (const vm of guestsOf(xapi, host)) {
    const reason = obstacle(xapi, vm, host);
    if (reason) found.set(vm, reason);
  }
  return found;
};

export const evacuateMethods: MethodTable = {
  "host.get_vms_which_prevent_evacuation": query(["@host"], ({ xapi }, [host]): Json =>
    Object.fromEntries(obstacles(xapi, asText(host))),
  ),
  "host.assert_can_evacuate": action(["@host"], ({ xapi }, [host]) => {
    const reasons = [...obstacles(xapi, asText(host)).values()].map((reason) => reason.join(","));
    if (reasons.length > 0) fail("CANNOT_EVACUATE_HOST", reasons.join("|"));
  }),
  "host.evacuate": action(
    ["@host", "@network", "i"],
    async ({ xapi }, [given]) => {
      const host = asText(given);
      const [first] = obstacles(xapi, host).values();
      if (first) fail(first[0] ?? "INTERNAL_ERROR", ...first.slice(1));
      for (const vm of guestsOf(xapi, host)) {
        const [refuge] = refuges(xapi, vm, host);
        await poolMigrate(xapi, vm, refuge ?? fail("NO_HOSTS_AVAILABLE", vm));
      }
    },
    { optional: 2 },
  ),
};
