import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => lab.vms.filter((vm) => vm.home === owner).map((vm) => vm.uuid),
  async run({ fault, lab, other, writes, policy }) {
    if (policy === "vote" || policy === "strict+vote")
      throw new Error("VOTE is broken by this fault (H1): run it with --policy witness or --policy strict");
    await fault("filter");
    const lost = lab.vms.filter((vm) => vm.home === other).map((vm) => vm.uuid);
    await writes(lost, 200, 120_000);
  },
  async heal({ lab, other }) {
    await lab.heal("filter");
    if (!lab.nodes[other].powered()) await lab.boot(other);
  },
};
