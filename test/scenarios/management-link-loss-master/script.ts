import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, owner }) {
    await fault(`cut:mgmt:${owner}`);
    await delay(20_000);
  },
  async heal({ lab, owner }) {
    for (const node of ["xcp1", "xcp2"] as const)
      if (!lab.nodes[node].powered()) throw new Error(`${node} was powered off`);
    await lab.heal(`cut:mgmt:${owner}`);
  },
};
