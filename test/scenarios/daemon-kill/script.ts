import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, owner, must }) {
    const before = (await must(owner, "pgrep -f '[t]andemd.mjs'")).trim();
    await fault(`kill:tandemd:${owner}`);
    await delay(6_000);
    const after = (await must(owner, "pgrep -f '[t]andemd.mjs'")).trim();
    if (after === "" || after === before) throw new Error("the daemon was not started again");
  },
  async heal() {
    // It mends itself.
  },
};
