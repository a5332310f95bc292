// What several scenarios look at or do: who must not serve, who must have power, all VMs running again.

import { setTimeout as delay } from "node:timers/promises";
import { VIP, type NodeName } from "./names.ts";
import type { Lab } from "./lab.ts";
import { statusOf, until } from "./serving.ts";
import { startOn } from "./xapi-call.ts";

/** Throws as soon as `node` shows the floating IP or is DRBD Primary within `forMs`. */
export async function neverServes(lab: Lab, node: NodeName, forMs: number): Promise<void> {
  const end = Date.now() + forMs;
  while (Date.now() < end) {
    const { stdout } = await lab.exec(node, "ip -4 -o addr show dev repl; cat /proc/drbd", 5_000);
    if (stdout.includes(`${VIP}/32`)) throw new Error(`${node} took the floating IP`);
    if (stdout.includes("ro:Primary/")) throw new Error(`${node} became Primary: ${stdout}`);
    await delay(500);
  }
}

export function bothPowered(lab: Lab): void {
  for (const node of ["xcp1", "xcp2"] as const)
    if (!lab.nodes[node].powered()) throw new Error(`${node} was powered off`);
}

/** The alert's text; throws when `node` did not raise it within `limitMs`. */
export async function alertOn(lab: Lab, node: NodeName, id: string, limitMs: number): Promise<string> {
  let open = "none";
  return until(
    `The alert "${id}" on ${node}`,
    async () => {
      const alerts = (await statusOf(lab, node))?.alerts ?? [];
      open = alerts.map((one) => one.id).join(", ") || "none";
      return alerts.find((one) => one.id === id)?.text;
    },
    limitMs,
    1_000,
  ).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}; open: ${open}`);
  });
}

/** Starts every VM that does not run, as an administrator would after a loss of all power, until all of them run. */
export async function startAll(lab: Lab, through: NodeName): Promise<void> {
  const said = new Map<string, string>();
  const idle = (): typeof lab.vms => lab.vms.filter((vm) => !lab.collector.isExecuting(vm.uuid, 1_000));
  await until(
    "All VMs running",
    async () => {
      for (const vm of idle()) {
        await startOn(lab, through, vm.uuid, vm.home).then(
          () => said.delete(vm.name),
          (error: unknown) => {
            const why = error instanceof Error ? error.message : String(error);
            if (said.get(vm.name) !== why) lab.note(vm.home, "vm", `${vm.name} does not start: ${why}`);
            said.set(vm.name, why);
          },
        );
      }
      return idle().length === 0 ? true : undefined;
    },
    90_000,
    2_000,
  ).catch((error: unknown) => {
    const why = [...said].map(([name, text]) => `${name}: ${text}`).join("; ");
    throw new Error(`${error instanceof Error ? error.message : String(error)}: ${why}`);
  });
}

/** Homes of the VMs, for `survivors`. */
export const vmsOf = (lab: Lab, ...homes: readonly NodeName[]): readonly string[] =>
  lab.vms.filter((vm) => homes.includes(vm.home)).map((vm) => vm.uuid);
