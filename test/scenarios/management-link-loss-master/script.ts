import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { bothPowered } from "../../lab/steps.ts";

export const scenario: Scenario = {
  // A minute by default.
  parameters: { MGT_LINK_LOSS_TOLERANCE: "8" },
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, lab, owner, other, serving }) {
    await fault(`cut:mgmt:${owner}`);
    await until("The hand-over", async () => ((await serving(10_000)) === other ? true : undefined), 40_000);
    bothPowered(lab);
  },
  async heal({ lab, owner }) {
    await lab.heal(`cut:mgmt:${owner}`);
  },
};
