// Which agent opens which device.

import { err, type Result } from "../util/result.ts";
import type { Deadline } from "./deadline.ts";
import type { Device, Target } from "./device.ts";

type Open = (target: Target, deadline: Deadline) => Result<Device, string>;

/** Loaded when asked for: ssh and schemas cost tens of milliseconds of every fencing that does not need them. */
const METHODS: Readonly<Record<string, () => Promise<Open>>> = {
  ILO: async () => (await import("./ilo.ts")).openIlo,
  IPMI: async () => (await import("./ipmi.ts")).openIpmi,
  REDFISH: async () => (await import("./redfish.ts")).openRedfish,
  IRMC: async () => {
    const [redfish, ipmi] = await Promise.all([import("./redfish.ts"), import("./ipmi.ts")]);
    return (target, deadline) => openIrmc(target, deadline, { redfish: redfish.openRedfish, ipmi: ipmi.openIpmi });
  },
  XVM: async () => (await import("./xvm.ts")).openXvm,
};

export const methodNames = Object.keys(METHODS);

export async function openDevice(method: string, target: Target, deadline: Deadline): Promise<Result<Device, string>> {
  const load = METHODS[method];
  return load === undefined
    ? err(`Cannot use the method ${method}: expected ${methodNames.join(", ")}`)
    : (await load())(target, deadline);
}

/** Fujitsu iRMC: Redfish since S4; older ones speak IPMI (via=ipmi). */
function openIrmc(
  target: Target,
  deadline: Deadline,
  open: { readonly redfish: Open; readonly ipmi: Open },
): Result<Device, string> {
  const via = target.options.get("via") ?? "redfish";
  const options = new Map([...target.options].filter(([key]) => key !== "via"));
  if (via === "redfish") return open.redfish({ ...target, options }, deadline);
  if (via === "ipmi") return open.ipmi({ ...target, options }, deadline);
  return err(`found via=${via}, expected redfish or ipmi`);
}
