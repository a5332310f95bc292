import { stoppedBefore } from "../../lab/installed/journal.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { nobodyFenced, supporter, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ begin, lab, owner, other, serving, writes }) {
    begin("reboot of the master");
    const begunAt = Date.now();
    await lab.shutdown(owner, "reboot");
    if ((await serving(5_000)) !== other) throw new Error(`the storage is not on ${other}`);
    await writes(vmsOf(lab, owner, other), 200, 30_000);
    await lab.boot(owner);
    await supporter(lab, owner);
    await nobodyFenced(lab, begunAt, [other]);
    if (lab.packages !== undefined)
      await stoppedBefore(lab, owner, "tandemd.service", ["xapi.service", "xcp-networkd.service"]);
  },
  async heal() {
    // The host is back by the scenario itself.
  },
};
