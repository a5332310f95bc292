import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ fault, lab, serving, owner, other, writes }) {
    await fault(`hang:tandemd:${owner}`);
    await until("The takeover", async () => ((await serving(40_000)) === other ? true : undefined), 60_000);
    await writes(vmsOf(lab, owner), 200, 120_000);
    if (lab.nodes[owner].powered()) throw new Error(`nothing ended ${owner}, whose daemon hung`);
  },
  async heal({ lab, owner }) {
    await lab.boot(owner);
  },
};
