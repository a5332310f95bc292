import { RESOURCE } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { splitBrain } from "../../lab/split-brain.ts";
import { neverServes, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  parameters: { SLAVE_HA: "0" },
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run(context) {
    const { lab, must, owner, other, serving, writes } = context;
    await splitBrain(context);
    // The operator picks: what the other host wrote since is given up.
    for (const node of [owner, other]) await must(node, "iscsi-cfg manual-mode-enable", 20_000);
    await must(other, "iscsi-cfg become-secondary", 30_000);
    // Still nobody: each copy has writes that the other one never had (A18).
    await neverServes(lab, owner, 3_000);
    await must(other, `drbdadm disconnect ${RESOURCE}; drbdadm connect --discard-my-data ${RESOURCE}`);
    await must(owner, `drbdadm connect ${RESOURCE} || true`);
    await serving(30_000);
    await writes(vmsOf(lab, owner), 200, 60_000);
  },
  async heal() {
    // Healed by the operator's choice.
  },
};
