// What the scenarios about the configuration of the storage share: the command line of a setup, and a pool without storage.

import type { Seed } from "../xapi-sim/seed.ts";
import type { GuestResult } from "./agent-client.ts";
import type { Lab } from "./lab.ts";
import { DATA_DISK, FACTS, IQN, LUN, NODES, STORAGE_PREFIX, VIP, type NodeName } from "./names.ts";
import { until } from "./serving.ts";
import { xapi } from "./xapi-call.ts";

export const SETUP = [
  `iscsi-cfg setup --disk ${DATA_DISK}`,
  ...NODES.map((node) => `--address ${node}=${FACTS[node].replication}`),
  `--vip ${VIP}/${STORAGE_PREFIX} --iqn ${IQN} --lun ${LUN} --link-speed 10000`,
].join(" ");

/** A pool as it is before it has shared storage. */
export const withoutStorage = (seed: Seed): Seed => ({
  ...seed,
  srs: [],
  vms: (seed.vms ?? []).map((vm) => ({ ...vm, disks: [] })),
});

/** Runs `iscsi-cfg` until the toolstack answers; everything it says goes into the timeline. */
export async function iscsiCfg(lab: Lab, node: NodeName, command: string, code: number): Promise<GuestResult> {
  const ran = await lab.exec(node, command, 180_000);
  lab.note(node, command.slice(0, 60), `${ran.code}: ${(ran.stdout + ran.stderr).trim()}`);
  if (ran.code !== code)
    throw new Error(`"${command}" on ${node} ended with ${ran.code}, expected ${code}: ${ran.stdout}${ran.stderr}`);
  return ran;
}

export const toolstackReady = (lab: Lab): Promise<true> =>
  until(
    "Both hosts enabled in the pool",
    async () => {
      const records = await xapi(lab, "xcp1", "host.get_all_records", []).catch(() => ({}));
      const enabled = Object.values(records as Record<string, { enabled?: boolean }>).filter(
        (one) => one.enabled === true,
      );
      return enabled.length === NODES.length ? true : undefined;
    },
    60_000,
    500,
  );
