import type { Scenario } from "../../lab/run-scenario.ts";
import { startAll, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ fault, lab, owner, other, serving, writes }) {
    await fault(`power-loss:${owner}`);
    // The start of a lab node takes about five seconds, a takeover at least thirteen.
    await lab.heal(`power-loss:${owner}`);
    await serving(40_000);
    await startAll(lab, owner);
    await writes(vmsOf(lab, owner, other), 200, 60_000);
  },
  async heal() {
    // It is back by the scenario itself.
  },
};
