import type { Scenario } from "../../lab/run-scenario.ts";
import { vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ fault, lab, other, writes }) {
    await fault(`cut:repl:${other}`);
    await lab.fault(`cut:mgmt:${other}`);
    await writes(vmsOf(lab, other), 200, 120_000);
  },
  async heal({ lab, other }) {
    await lab.heal(`cut:repl:${other}`);
    await lab.heal(`cut:mgmt:${other}`);
    if (!lab.nodes[other].powered()) await lab.boot(other);
  },
};
