import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";
import { nobodyFenced, supporter, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  parameters: {
    FENCE_ENABLED: "0",
    FENCE_USE_IP_HEURISTICS: "0",
    FENCE_HEURISTICS_IPS: "()",
    FENCE_MIN_HOSTS: "3",
    FENCE_QUORUM_REQUIRED: "0",
    PROMOTE_SLAVE: "0",
    SLAVE_HA: "0",
  },
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ fault, lab, owner, other, writes }) {
    const begunAt = Date.now();
    await fault(`power-loss:${other}`);
    await writes(vmsOf(lab, owner), 200, 30_000);
    // Longer than T_take and a start.
    await delay(30_000);
    const started = vmsOf(lab, other).filter((vm) => lab.collector.isExecuting(vm, 1_000));
    if (started.length > 0) throw new Error(`started elsewhere: ${started.join(", ")}`);
    await lab.heal(`power-loss:${other}`);
    await supporter(lab, other);
    await writes(vmsOf(lab, other), 200, 120_000);
    await nobodyFenced(lab, begunAt, [owner]);
  },
  async heal() {
    // The host is back by the scenario itself.
  },
};
