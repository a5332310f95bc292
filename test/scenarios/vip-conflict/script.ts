import type { Scenario } from "../../lab/run-scenario.ts";
import { conflictMac } from "../../lab/network.ts";
import { alertOn, neverServes, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ fault, lab, owner, other, serving, writes }) {
    await fault(`power-loss:${owner}`);
    await lab.fault("conflict");
    await neverServes(lab, other, 25_000);
    const text = await alertOn(lab, other, "vip-conflict", 5_000);
    if (!text.includes(conflictMac())) throw new Error(`the alert does not name the machine: ${text}`);
    await lab.heal("conflict");
    await serving(20_000);
    await writes(vmsOf(lab, owner), 200, 120_000);
  },
  async heal({ lab, owner }) {
    await lab.heal(`power-loss:${owner}`);
  },
};
