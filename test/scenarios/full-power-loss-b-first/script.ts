import type { Scenario } from "../../lab/run-scenario.ts";
import { neverServes, startAll } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, lab, owner, other, serving }) {
    await Promise.all([fault(`power-loss:${owner}`), lab.fault(`power-loss:${other}`)]);
    await lab.heal(`power-loss:${other}`);
    await neverServes(lab, other, 20_000);
    await lab.heal(`power-loss:${owner}`);
    await serving(60_000);
    await startAll(lab, owner);
  },
  async heal() {
    // Both are back by the scenario itself.
  },
};
