import { setTimeout as delay } from "node:timers/promises";
import type { Context, Scenario } from "../../lab/run-scenario.ts";
import type { NodeName } from "../../lab/names.ts";
import { statusOf, until } from "../../lab/serving.ts";
import { migrate } from "../../lab/xapi-call.ts";

/** Steps 3 to 7 for one host: empty it, move the storage away, reboot it, wait until it is back in the pool and in sync. */
async function maintain({ lab, must, owner, progress }: Context, node: NodeName, other: NodeName): Promise<void> {
  progress(`Maintenance of ${node}`);
  for (const vm of lab.vms) await migrate(lab, owner, vm.uuid, other);
  // The moved VMs have just started anew on a node with one processor: their start is not the storage's stall.
  await delay(5_000);
  // Both commands back to back, as a script of an administrator would issue them.
  await must(node, "iscsi-cfg become-secondary", 20_000);
  await must(other, "iscsi-cfg become-primary", 20_000);
  await lab.fault(`shutdown:${node}`);
  await delay(3_000);
  await lab.heal(`shutdown:${node}`);
  await until(
    `${node} back and in sync`,
    async () => {
      const drbd = await lab.exec(other, "cat /proc/drbd", 5_000);
      const status = await statusOf(lab, node);
      return /cs:Connected ro:\S+ ds:UpToDate\/UpToDate/.test(drbd.stdout) && status?.contact.inContact === true
        ? true
        : undefined;
    },
    90_000,
    1_000,
  );
}

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run(context) {
    const { must, owner, other, begin } = context;
    begin("rolling maintenance");
    await must(owner, "ha-cfg disable", 20_000);
    for (const node of [owner, other]) await must(node, "iscsi-cfg manual-mode-enable", 20_000);
    await maintain(context, owner, other);
    await maintain(context, other, owner);
    for (const node of [owner, other]) await must(node, "iscsi-cfg manual-mode-disable", 20_000);
    await must(owner, "ha-cfg enable", 30_000);
  },
  async heal() {
    // Everything is back by the procedure itself.
  },
};
