import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, owner }) {
    await fault(`kill:target:${owner}`);
    await delay(4_000);
  },
  async heal() {
    // It mends itself.
  },
};
