import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = {
  kernelInitiator: true,
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ begin, must, owner, serving, progress }) {
    begin("iscsi-cfg switch");
    progress((await must(owner, "iscsi-cfg switch", 60_000)).trim());
    await serving(5_000);
  },
  async heal() {
    // Nothing is broken.
  },
};
