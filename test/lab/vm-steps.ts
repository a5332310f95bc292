// What the scenarios about VMs do and look at: a guest that shuts itself down, who runs, what the pool database says.

import { setTimeout as delay } from "node:timers/promises";
import type { Seed, SeedVm } from "../xapi-sim/seed.ts";
import type { LabVm } from "./guest-files.ts";
import { daemonLog, type Lab } from "./lab.ts";
import { NODES, type NodeName } from "./names.ts";
import { xapi } from "./xapi-call.ts";

export function vmOf(lab: Lab, home: NodeName, index: 0 | 1): LabVm {
  const vm = lab.vms.filter((one) => one.home === home)[index];
  if (vm === undefined) throw new Error(`Cannot find VM ${index} of ${home}`);
  return vm;
}

/** The guest shuts itself down: xapi is not asked. */
export async function haltGuest(lab: Lab, vm: LabVm): Promise<void> {
  lab.note("lab", "guest.halt", vm.name);
  for (const node of NODES) await lab.exec(node, `pkill -TERM -f -- '[-]-vm ${vm.uuid}'`);
}

export async function powerStateOf(lab: Lab, through: NodeName, vm: LabVm): Promise<string> {
  const ref = String(await xapi(lab, through, "VM.get_by_uuid", [vm.uuid]));
  return String(await xapi(lab, through, "VM.get_power_state", [ref]));
}

/** Throws when any of these VMs executes anywhere within `forMs`, or is not halted at its end. */
export async function staysDown(lab: Lab, through: NodeName, vms: readonly LabVm[], forMs: number): Promise<void> {
  // The last writes of its end may still be on their way.
  await delay(2_000);
  const end = Date.now() + forMs;
  while (Date.now() < end) {
    const up = vms.find((vm) => lab.collector.isExecuting(vm.uuid, 1_000));
    if (up !== undefined) throw new Error(`${up.name} runs, and ought to stay down`);
    await delay(500);
  }
  for (const vm of vms) {
    const state = await powerStateOf(lab, through, vm);
    if (state !== "Halted") throw new Error(`${vm.name} is ${state} in the pool database, expected Halted`);
  }
}

/** The names of the VMs in the order in which `node` began to start them after `sinceMs`. */
export async function startOrder(lab: Lab, node: NodeName, sinceMs: number): Promise<readonly string[]> {
  const log = await daemonLog(lab, node);
  return log
    .filter((line) => line.event === "pool.step" && line.wallMs >= sinceMs)
    .flatMap((line) => /^start (vm\d+)$/.exec(line.detail)?.[1] ?? []);
}

/** Changes single VMs of the seed by name. */
export const withVms =
  (changes: Readonly<Record<string, Partial<SeedVm>>>) =>
  (seed: Seed): Seed => ({ ...seed, vms: (seed.vms ?? []).map((vm) => ({ ...vm, ...changes[vm.name] })) });
