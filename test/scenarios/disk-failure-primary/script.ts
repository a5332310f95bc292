import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, owner, other, serving }) {
    await fault(`disk:${owner}`);
    await until("The hand-over", async () => ((await serving(10_000)) === other ? true : undefined), 15_000);
  },
  async heal({ lab, owner }) {
    await lab.heal(`disk:${owner}`);
  },
};
