import type { Scenario } from "../../lab/run-scenario.ts";
import { alertOn, neverServes, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ fault, lab, must, owner, other, serving }) {
    for (const node of [owner, other]) await must(node, "iscsi-cfg manual-mode-enable", 20_000);
    await fault(`power-loss:${owner}`);
    await neverServes(lab, other, 20_000);
    await alertOn(lab, other, "owner-lost", 5_000);
    const early = await lab.exec(other, "iscsi-cfg become-primary", 20_000);
    if (early.code === 0)
      throw new Error("become-primary took the storage before anybody had said that the peer is off");
    await must(other, `iscsi-cfg confirm-peer-off ${owner}`, 20_000);
    await must(other, `iscsi-cfg become-primary --force --peer ${owner}`, 30_000);
    await serving(10_000);
  },
  async heal({ lab, owner }) {
    await lab.heal(`power-loss:${owner}`);
  },
};
