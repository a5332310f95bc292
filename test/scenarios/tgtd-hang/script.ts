import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";
import { bothPowered } from "../../lab/steps.ts";

export const scenario: Scenario = {
  target: "tgtd",
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, lab, owner }) {
    await fault(`hang:tgtd:${owner}`);
    await delay(10_000);
    bothPowered(lab);
  },
  async heal() {
    // It mends itself.
  },
};
