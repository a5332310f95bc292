import type { Scenario } from "../../lab/run-scenario.ts";
import { bothPowered, runOn, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ fault, lab, owner, other, writes }) {
    await fault(`cut:repl:${owner}`);
    await writes(vmsOf(lab, other), 200, 120_000);
    await runOn(lab, owner, vmsOf(lab, owner, other));
    bothPowered(lab);
  },
  async heal({ lab, owner }) {
    await lab.heal(`cut:repl:${owner}`);
  },
};
