import type { Scenario } from "../../lab/run-scenario.ts";
import { statusOf } from "../../lab/serving.ts";
import { alertOn } from "../../lab/steps.ts";
import { vmOf, withVms } from "../../lab/vm-steps.ts";

/** A host of 16 GiB holds three of them, and each has two. */
const memoryBytes = 4.5 * 2 ** 30;

export const scenario: Scenario = {
  seed: withVms({ vm1: { memoryBytes }, vm2: { memoryBytes }, vm3: { memoryBytes }, vm4: { memoryBytes } }),
  survivors: ({ lab, owner }) => lab.vms.filter((vm) => vm.home === owner).map((vm) => vm.uuid),
  async run({ fault, lab, owner, other, writes }) {
    const text = await alertOn(lab, owner, "overcommit", 30_000);
    if (!/there is no memory for vm\d/.test(text)) throw new Error(`the alert does not name a VM: ${text}`);
    const tolerated = (await statusOf(lab, owner))?.vms.failuresTolerated;
    if (tolerated !== 0) throw new Error(`status says ${tolerated} failures are tolerated, expected 0`);
    await fault(`power-loss:${other}`);
    const [first, second] = [vmOf(lab, other, 0), vmOf(lab, other, 1)];
    await writes([first.uuid], 200, 120_000);
    if (lab.collector.isExecuting(second.uuid, 1_000)) throw new Error(`${second.name} runs although it does not fit`);
    await lab.heal(`power-loss:${other}`);
    await writes([second.uuid], 200, 120_000);
  },
  async heal() {
    // The host is back by the scenario itself.
  },
};
