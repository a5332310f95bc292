// Under VOTE a filter between the hosts (H1 is violated) lets both serve and both write; healed, both stand still and say so.

import { setTimeout as delay } from "node:timers/promises";
import { VIP_WITH_PREFIX, type NodeName } from "./names.ts";
import type { Context } from "./run-scenario.ts";
import { until } from "./serving.ts";
import { alertOn, neverServes, vmsOf } from "./steps.ts";
import { shutdownVm } from "./xapi-call.ts";

/** Behind the VMs' regions: what is discarded later belongs to nobody. */
const WRITE = "dd if=/dev/urandom of=/dev/drbd1 bs=64k count=4 seek=2400 oflag=direct";

export async function splitBrain({ fault, lab, must, owner, other, policy }: Context): Promise<void> {
  if (policy !== "vote") throw new Error("only VOTE lets two hosts serve: run it with --policy vote");
  for (const vm of vmsOf(lab, other)) await shutdownVm(lab, owner, vm);
  await fault("filter");
  const serves = async (node: NodeName): Promise<boolean> =>
    (await must(node, "ip -o addr show dev repl; cat /proc/drbd")).includes(VIP_WITH_PREFIX);
  await until("The second owner", async () => ((await serves(other)) ? true : undefined), 40_000);
  await must(other, WRITE);
  await delay(2_000);
  await lab.heal("filter");
  const nobody = async (): Promise<true | undefined> =>
    (await serves(owner)) || (await serves(other)) ? undefined : true;
  await until("Both withdrawing", nobody, 20_000);
  await Promise.all([neverServes(lab, owner, 8_000), neverServes(lab, other, 8_000)]);
  for (const node of [owner, other]) await alertOn(lab, node, "split-brain", 5_000);
}
