import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";
import { servingNode, until } from "../../lab/serving.ts";
import { vmsOf } from "../../lab/steps.ts";

/** After the owner stopped itself, before the other host takes over. */
const CUT_MS = 6_000;
/** Shortly after the takeover: the owner hears of it while DRBD cannot connect. */
const HEARD_MS = 15_000;

export const scenario: Scenario = {
  survivors: ({ lab, other }) => vmsOf(lab, other),
  async run({ fault, lab, owner, other, serving, writes }) {
    await fault(`deaf:${other}`);
    await delay(CUT_MS);
    await lab.fault(`cut:repl:${other}`);
    await delay(HEARD_MS - CUT_MS);
    if ((await serving(10_000)) !== other) throw new Error(`${owner} serves still, expected ${other}`);
    await lab.heal(`deaf:${other}`);
    await writes(vmsOf(lab, other), 200, 120_000);
  },
  async heal({ lab, owner, other }) {
    await lab.heal(`cut:repl:${other}`);
    // Its toolstack lives and is the pool's master still: the storage follows it when both copies agree (D17).
    const back = async (): Promise<true | undefined> => ((await servingNode(lab, 30_000)) === owner ? true : undefined);
    await until("The storage on the pool's master", back, 90_000);
  },
};
