import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => lab.vms.filter((vm) => vm.home === owner).map((vm) => vm.uuid),
  async run({ fault, other, lab, writes }) {
    await fault(`power-loss:${other}`);
    const lost = lab.vms.filter((vm) => vm.home === other).map((vm) => vm.uuid);
    await writes(lost, 200, 120_000);
  },
  async heal({ lab, other }) {
    await lab.heal(`power-loss:${other}`);
  },
};
