// What several scenarios look at or do: who must not serve, who must have power, all VMs running again.

import { setTimeout as delay } from "node:timers/promises";
import { FACTS, NODES, otherNode, VIP_WITH_PREFIX, type NodeName } from "./names.ts";
import { daemonLog, type Lab } from "./lab.ts";
import { statusOf, until } from "./serving.ts";
import { startOn, xapi } from "./xapi-call.ts";

/** Throws as soon as `node` shows the floating IP or is DRBD Primary within `forMs`. */
export async function neverServes(lab: Lab, node: NodeName, forMs: number): Promise<void> {
  const end = Date.now() + forMs;
  while (Date.now() < end) {
    const { stdout } = await lab.exec(node, "ip -o addr show dev repl; cat /proc/drbd", 5_000);
    if (stdout.includes(VIP_WITH_PREFIX)) throw new Error(`${node} took the floating IP`);
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

/** Throws when a daemon of these fenced anybody, itself included, since then. */
export async function nobodyFenced(lab: Lab, sinceMs: number, nodes: readonly NodeName[] = NODES): Promise<void> {
  for (const node of nodes) {
    const log = await daemonLog(lab, node);
    const fenced = log.find((e) => e.wallMs >= sinceMs && /^(fence\.requested|self-fence)/.test(e.event));
    if (fenced !== undefined) throw new Error(`${node} fenced: ${JSON.stringify(fenced)}`);
  }
}

export async function roleIs(lab: Lab, node: NodeName, role: "master" | "supporter"): Promise<void> {
  await until(
    `${node} as ${role}`,
    async () => {
      const status = await statusOf(lab, node);
      return status?.contact.inContact === true && status.own.xapiRole === role ? true : undefined;
    },
    90_000,
    1_000,
  );
}

/** The host is back in the pool, and does not serve. */
export async function supporter(lab: Lab, node: NodeName): Promise<void> {
  await roleIs(lab, node, "supporter");
  await neverServes(lab, node, 2_000);
}

/** The domains of the node, by its own daemon. */
async function domainsOn(lab: Lab, node: NodeName): Promise<readonly string[] | undefined> {
  return (await statusOf(lab, node))?.own.domains.map((domain) => domain.uuid);
}

/** Back in the pool as a supporter, and no VM of ours came back with it. */
export async function backEmpty(lab: Lab, node: NodeName): Promise<void> {
  await supporter(lab, node);
  const domains = await domainsOn(lab, node);
  if (domains?.length !== 0) throw new Error(`${node} is back with VMs: ${JSON.stringify(domains)}`);
}

/** Throws when one of these VMs does not run on `node`, and nowhere else, within half a minute. */
export async function runOn(lab: Lab, node: NodeName, vms: readonly string[]): Promise<void> {
  await until(
    `${vms.length} VMs on ${node} alone`,
    async () => {
      const here = await domainsOn(lab, node);
      const there = await domainsOn(lab, otherNode(node));
      const well = vms.every((vm) => here?.includes(vm) === true && there?.includes(vm) !== true);
      return well ? true : undefined;
    },
    30_000,
    1_000,
  );
}

/** The pool database of `through` calls the host dead. */
export async function reportedDead(lab: Lab, node: NodeName, through: NodeName): Promise<void> {
  const host = await xapi(lab, through, "host.get_by_uuid", [FACTS[node].uuid]);
  const metrics = await xapi(lab, through, "host.get_metrics", [host]);
  const live = await xapi(lab, through, "host_metrics.get_live", [metrics]);
  if (live !== false) throw new Error(`${node} is called live in the pool database of ${through}`);
}
