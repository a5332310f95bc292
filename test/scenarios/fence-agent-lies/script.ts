import type { Scenario } from "../../lab/run-scenario.ts";
import { statusOf, until } from "../../lab/serving.ts";
import { alertOn, bothPowered, neverServes, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ fault, lab, owner, other, policy }) {
    if (policy !== "strict")
      throw new Error("only STRICT stands on the fence device alone: run it with --policy strict");
    await lab.fault(`bmc-lies:${owner}`);
    await lab.fault(`cut:repl:${owner}`);
    await fault(`cut:mgmt:${owner}`);
    const [text] = await Promise.all([alertOn(lab, other, "fencing", 90_000), neverServes(lab, other, 90_000)]);
    if (!/could not be powered off/.test(text)) throw new Error(`the alert says: ${text}`);
    const state = (await statusOf(lab, other))?.own.state;
    if (state !== "BLOCKED") throw new Error(`${other} is ${state ?? "unknown"}, expected BLOCKED`);
    bothPowered(lab);
    await lab.heal(`bmc-lies:${owner}`);
    await lab.heal(`cut:mgmt:${owner}`);
    await lab.heal(`cut:repl:${owner}`);
    await until(
      "Contact",
      async () => ((await statusOf(lab, other))?.contact.inContact === true ? true : undefined),
      30_000,
      1_000,
    );
  },
  async heal() {
    // The cables are back by the scenario itself.
  },
};
