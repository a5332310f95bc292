import { until } from "../../lab/serving.ts";
import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = {
  survivors: ({ lab, other }) => lab.vms.filter((vm) => vm.home === other).map((vm) => vm.uuid),
  async run({ fault, lab, serving, owner, other, writes }) {
    await fault(`cut:repl:${owner}`);
    await lab.fault(`cut:mgmt:${owner}`);
    // The lost host still shows its floating IP until its lease ends.
    await until("The takeover", async () => ((await serving(40_000)) === other ? true : undefined), 60_000);
    const lost = lab.vms.filter((vm) => vm.home === owner).map((vm) => vm.uuid);
    await writes(lost, 200, 120_000);
  },
  async heal({ lab, owner }) {
    await lab.heal(`cut:repl:${owner}`);
    await lab.heal(`cut:mgmt:${owner}`);
    if (!lab.nodes[owner].powered()) await lab.boot(owner);
  },
};
