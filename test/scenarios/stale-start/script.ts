import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { neverServes, startAll, vmsOf } from "../../lab/steps.ts";

const ALONE_LIMIT_MS = 30_000;

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, lab, owner, other, serving, writes }) {
    await fault(`power-loss:${owner}`);
    await serving(40_000);
    // Writes that the first host never sees.
    await writes(vmsOf(lab, owner, other), 200, 120_000);
    await lab.fault(`power-loss:${other}`);
    await lab.heal(`power-loss:${owner}`);
    await neverServes(lab, owner, 25_000);
    await lab.fault(`power-loss:${owner}`);
    await lab.heal(`power-loss:${other}`);
    await until("Serving alone", async () => ((await serving(ALONE_LIMIT_MS)) === other ? true : undefined), 1_000);
    await lab.heal(`power-loss:${owner}`);
    await delay(5_000);
    await startAll(lab, other);
  },
  async heal() {
    // Both are back by the scenario itself.
  },
};
