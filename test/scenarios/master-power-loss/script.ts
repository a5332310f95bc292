import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = {
  kernelInitiator: true,
  survivors: ({ lab, other }) => lab.vms.filter((vm) => vm.home === other).map((vm) => vm.uuid),
  async run({ fault, serving, owner, other, lab, writes }) {
    await fault(`power-loss:${owner}`);
    await serving(30_000);
    // The lost VMs run on the survivor and write again.
    const lost = lab.vms.filter((vm) => vm.home === owner && vm.kind === "plain").map((vm) => vm.uuid);
    await writes(lost, 200, 120_000);
    lab.note(other, "lab.restarted", "the lost VMs write on the survivor");
  },
  async heal({ lab, owner }) {
    await lab.heal(`power-loss:${owner}`);
  },
};
