import { setTimeout as delay } from "node:timers/promises";
import { FACTS, type NodeName } from "../../lab/names.ts";
import type { Context, Scenario } from "../../lab/run-scenario.ts";
import { statusOf, until } from "../../lab/serving.ts";
import { xapi } from "../../lab/xapi-call.ts";

/** Names of the VMs that the pool database says run on `node`. */
async function residents({ lab }: Context, through: NodeName, node: NodeName): Promise<readonly string[]> {
  const host = String(await xapi(lab, through, "host.get_by_uuid", [FACTS[node].uuid]));
  const refs = (await xapi(lab, through, "host.get_resident_VMs", [host])) as readonly string[];
  const known = await Promise.all(lab.vms.map((vm) => xapi(lab, through, "VM.get_by_uuid", [vm.uuid])));
  return lab.vms.filter((_, i) => refs.includes(String(known[i]))).map((vm) => vm.name);
}

async function holds({ lab }: Context, node: NodeName): Promise<void> {
  const status = await until("The daemon's answer", () => statusOf(lab, node), 20_000, 500);
  if (!status.own.flags.maintenance) throw new Error(`${node} is not in maintenance any more: ${status.own.state}`);
}

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run(context) {
    const { lab, must, owner, other, begin, serving, progress } = context;
    progress(await must(owner, "ha-cfg check", 60_000));
    const home = await residents(context, owner, owner);
    begin("ha-cfg maintenance on");
    progress((await must(owner, "ha-cfg maintenance on", 300_000)).trim());
    if ((await serving(10_000)) !== other) throw new Error(`the storage did not move to ${other}`);
    const left = await residents(context, other, owner);
    if (left.length > 0) throw new Error(`${left.join(", ")} still run on ${owner}`);
    await lab.fault(`kill:tandemd:${owner}`);
    await delay(3_000);
    await holds(context, owner);
    await lab.fault(`shutdown:${owner}`);
    await delay(5_000);
    if (!lab.nodes[other].powered()) throw new Error(`${other} lost its power`);
    await lab.heal(`shutdown:${owner}`);
    await holds(context, owner);
    progress((await must(owner, "ha-cfg maintenance off", 300_000)).trim());
    const back = await residents(context, other, owner);
    if (back.join() !== home.join())
      throw new Error(`back on ${owner}: ${back.join(", ")}, expected ${home.join(", ")}`);
    progress(await must(other, "ha-cfg history", 10_000));
  },
  async heal() {
    // Everything is back by the procedure itself.
  },
};
