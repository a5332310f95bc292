import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";
import { alertOn, bothPowered, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ fault, lab, owner, other, writes }) {
    await fault("gateway");
    await delay(15_000);
    bothPowered(lab);
    for (const node of [owner, other]) await alertOn(lab, node, "vote", 10_000);
    await lab.heal("gateway");
    await delay(5_000);
    await lab.fault(`power-loss:${other}`);
    // The owner committed to go on alone (D4) long before the address dies again (D5).
    await delay(8_000);
    await lab.fault("gateway");
    await delay(15_000);
    if (!lab.nodes[owner].powered()) throw new Error(`${owner} lost its power`);
    await writes(vmsOf(lab, owner), 200, 10_000);
  },
  async heal({ lab, other }) {
    await lab.heal("gateway");
    await lab.heal(`power-loss:${other}`);
  },
};
