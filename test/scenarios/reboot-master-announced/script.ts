import { stopOrder } from "../../lab/installed/stop-order.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { statusOf, until } from "../../lab/serving.ts";
import { nobodyFenced, supporter, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ begin, lab, owner, other, serving, writes }) {
    begin("reboot of the master");
    const begunAt = Date.now();
    await lab.shutdown(owner, "reboot");
    if ((await serving(5_000)) !== other) throw new Error(`the storage is not on ${other}`);
    await writes(vmsOf(lab, owner, other), 200, 30_000);
    if (lab.packages !== undefined) stopOrder(lab, owner);
    // Real hardware takes minutes to boot; within seconds the role need not move.
    const masters = async (): Promise<true | undefined> =>
      (await statusOf(lab, other))?.own.xapiRole === "master" ? true : undefined;
    await until("The master role on the other host", masters, 90_000, 1_000);
    await lab.boot(owner);
    await supporter(lab, owner);
    await nobodyFenced(lab, begunAt, [other]);
  },
  async heal() {
    // The host is back by the scenario itself.
  },
};
