import type { Scenario } from "../../lab/run-scenario.ts";
import { vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ fault, lab, owner, other, writes }) {
    await fault(`deaf:${owner}`);
    await writes(vmsOf(lab, other), 200, 120_000);
  },
  async heal({ lab, owner, other }) {
    await lab.heal(`deaf:${owner}`);
    if (!lab.nodes[other].powered()) await lab.boot(other);
  },
};
