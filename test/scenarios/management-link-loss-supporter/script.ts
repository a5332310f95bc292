import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";
import { alertOn, bothPowered } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, lab, other }) {
    await fault(`cut:mgmt:${other}`);
    await delay(20_000);
    bothPowered(lab);
    await alertOn(lab, other, "management", 10_000);
  },
  async heal({ lab, other }) {
    await lab.heal(`cut:mgmt:${other}`);
  },
};
