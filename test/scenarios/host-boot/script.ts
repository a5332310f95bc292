import type { Scenario } from "../../lab/run-scenario.ts";
import { staysDown, vmOf } from "../../lab/vm-steps.ts";
import { shutdownVm } from "../../lab/xapi-call.ts";

export const scenario: Scenario = {
  survivors: () => [],
  async run({ fault, lab, owner, other, serving, writes }) {
    const down = vmOf(lab, other, 1);
    await shutdownVm(lab, owner, down.uuid);
    await staysDown(lab, owner, [down], 8_000);
    await Promise.all([fault(`power-loss:${owner}`), lab.fault(`power-loss:${other}`)]);
    await Promise.all([lab.heal(`power-loss:${owner}`), lab.heal(`power-loss:${other}`)]);
    await serving(60_000);
    const others = lab.vms.filter((vm) => vm !== down).map((vm) => vm.uuid);
    await writes(others, 200, 120_000);
    await staysDown(lab, owner, [down], 5_000);
  },
  async heal() {
    // Both are back by the scenario itself.
  },
};
