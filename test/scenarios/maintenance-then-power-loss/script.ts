import type { Scenario } from "../../lab/run-scenario.ts";
import { alertOn, neverServes, vmsOf } from "../../lab/steps.ts";
import { migrate } from "../../lab/xapi-call.ts";

export const scenario: Scenario = {
  survivors: () => [],
  async run({ fault, lab, must, owner, other, serving, writes }) {
    for (const vm of lab.vms.filter((one) => one.home === other)) await migrate(lab, owner, vm.uuid, owner);
    await must(other, "ha-cfg maintenance on", 60_000);
    await fault(`power-loss:${owner}`);
    await neverServes(lab, other, 25_000);
    await alertOn(lab, other, "owner-lost", 5_000);
    await must(other, "ha-cfg maintenance off", 30_000);
    await serving(30_000);
    await writes(vmsOf(lab, owner, other), 200, 120_000);
  },
  async heal({ lab, owner }) {
    await lab.heal(`power-loss:${owner}`);
  },
};
