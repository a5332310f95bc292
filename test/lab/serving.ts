// Brings a booted lab to what an administrator calls running: storage serving, HA enabled where asked, VMs writing.

import { setTimeout as delay } from "node:timers/promises";
import type { StatusDocument } from "../../src/core/model/status.ts";
import { IQN, LUN, NODES, PORTAL, VIP_WITH_PREFIX, type NodeName } from "./names.ts";
import { initiatorIqn, type LabVm } from "./guest-files.ts";
import type { Lab } from "./lab.ts";
import { root } from "../build.ts";
import { startOn } from "./xapi-call.ts";

/** The tool starts on the one processor that carries four writing VMs: 13 s were seen. */
const STATUS_MS = 30_000;

export async function statusOf(lab: Lab, node: NodeName): Promise<StatusDocument | undefined> {
  const { code, stdout } = await lab.exec(node, "iscsi-cfg status --json", STATUS_MS);
  if (code !== 0) return undefined;
  try {
    const parsed = JSON.parse(stdout) as { readonly status?: StatusDocument } & StatusDocument;
    return parsed.status ?? parsed;
  } catch {
    return undefined;
  }
}

/** Polls until `look` finds something; throws with `what` and the last thing seen. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined>,
  limitMs: number,
  everyMs = 200,
): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`${what} did not happen within ${limitMs / 1000} s`);
    await delay(everyMs);
  }
}

export async function servingNode(lab: Lab, limitMs: number): Promise<NodeName> {
  return until(
    "Serving storage",
    async () => {
      for (const node of NODES) {
        const { stdout } = await lab.exec(node, `ip -o addr show dev repl; ss -Hltn 'sport = :3260'`, 5_000);
        if (stdout.includes(VIP_WITH_PREFIX) && stdout.includes(":3260")) return node;
      }
      return undefined;
    },
    limitMs,
  );
}

/** Longest time until a freshly started pool serves, and then until HA is on: a loaded machine needs ten times a quiet one's. */
const START_MS = 120_000;

export interface ServingOptions {
  readonly ha?: boolean;
}

export async function servingPool(
  lab: Lab,
  progress: (text: string) => void,
  options: ServingOptions,
): Promise<NodeName> {
  const owner = await servingNode(lab, START_MS);
  progress(`Storage serves on ${owner}.`);
  if (options.ha !== false) {
    let said = "";
    await until(
      "Enabling HA",
      async () => {
        const { code, stdout, stderr } = await lab.exec("xcp1", "ha-cfg enable", 60_000);
        said = `${code}: ${(stdout + stderr).trim()}`;
        lab.note("xcp1", "ha-cfg enable", said);
        return code === 0 ? true : undefined;
      },
      START_MS,
      1_000,
    ).catch((error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : String(error)}; ha-cfg enable said ${said}`);
    });
    progress("HA is enabled.");
  }
  await startVms(lab, progress);
  return owner;
}

/** Logs the kernel initiators in and starts every VM on its home through XAPI; returns when all write. */
export async function startVms(lab: Lab, progress: (text: string) => void): Promise<void> {
  for (const vm of lab.vms) {
    if (vm.kind !== "kernel") continue;
    const script = `${root}/test/workload/open-iscsi.sh`;
    for (const node of NODES) {
      await lab.must(node, `sh ${script} login ${PORTAL} ${IQN} ${LUN} ${initiatorIqn(node)}`, 30_000);
    }
    break;
  }
  await Promise.all(lab.vms.map((vm) => startWhenReady(lab, vm)));
  await until(
    "Writing VMs",
    async () => (lab.vms.every((vm) => lab.collector.ackedCount(vm.uuid) > 0) ? true : undefined),
    30_000,
  );
  progress(`${lab.vms.length} VMs write.`);
}

/** A host enables itself in XAPI some seconds after its toolstack started. */
async function startWhenReady(lab: Lab, vm: LabVm): Promise<void> {
  let said = "";
  await until(
    `Starting ${vm.name}`,
    () =>
      startOn(lab, "xcp1", vm.uuid, vm.home).then(
        () => true,
        (error: unknown) => {
          said = error instanceof Error ? error.message : String(error);
          return /VM_BAD_POWER_STATE/.test(said) ? true : undefined;
        },
      ),
    40_000,
    500,
  ).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}: ${said}`);
  });
}
