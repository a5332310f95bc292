import type { Scenario } from "../../lab/run-scenario.ts";
import { nobodyFenced, supporter, vmsOf } from "../../lab/steps.ts";
import { staysDown } from "../../lab/vm-steps.ts";

export const scenario: Scenario = {
  parameters: { LEAVE_POLICY: "shutdown" },
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ begin, lab, owner, other, serving, writes }) {
    begin("shutdown of the master");
    const begunAt = Date.now();
    await lab.shutdown(owner, "announced");
    if ((await serving(5_000)) !== other) throw new Error(`the storage is not on ${other}`);
    await staysDown(
      lab,
      other,
      lab.vms.filter((vm) => vm.home === owner),
      20_000,
    );
    await lab.boot(owner);
    await supporter(lab, owner);
    await writes(vmsOf(lab, owner), 200, 120_000);
    await nobodyFenced(lab, begunAt, [other]);
  },
  async heal() {
    // The host is back by the scenario itself.
  },
};
