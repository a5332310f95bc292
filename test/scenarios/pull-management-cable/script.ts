import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { bothPowered, runOn, supporter, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  // A minute by default.
  parameters: { MGT_LINK_LOSS_TOLERANCE: "8" },
  survivors: ({ lab, owner, other }) => vmsOf(lab, owner, other),
  async run({ fault, lab, owner, other, serving }) {
    await fault(`cut:mgmt:${owner}`);
    await until("The hand-over", async () => ((await serving(10_000)) === other ? true : undefined), 40_000);
    await runOn(lab, owner, vmsOf(lab, owner));
    await runOn(lab, other, vmsOf(lab, other));
    bothPowered(lab);
    await lab.heal(`cut:mgmt:${owner}`);
    await supporter(lab, owner);
  },
  async heal() {
    // The cable is back by the scenario itself.
  },
};
