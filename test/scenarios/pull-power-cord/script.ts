import type { Scenario } from "../../lab/run-scenario.ts";
import { backEmpty, reportedDead, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ fault, lab, owner, other, writes }) {
    await fault(`power-loss:${owner}`);
    await writes(vmsOf(lab, owner), 200, 120_000);
    await reportedDead(lab, owner, other);
    await lab.heal(`power-loss:${owner}`);
    await backEmpty(lab, owner);
  },
  async heal() {
    // The plug is back by the scenario itself.
  },
};
