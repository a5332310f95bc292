import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => lab.vms.filter((vm) => vm.home === owner).map((vm) => vm.uuid),
  async run({ fault, other, owner, must }) {
    await fault(`cut:repl:${other}`);
    await delay(8_000);
    const outdated = await must(other, "cat /proc/drbd");
    if (!outdated.includes("ds:Outdated/")) throw new Error(`the other copy is not Outdated: ${outdated}`);
    const alone = await must(owner, "cat /proc/drbd");
    if (!/ro:Primary\/\S+ ds:UpToDate\//.test(alone)) throw new Error(`the owner does not serve: ${alone}`);
  },
  async heal({ lab, other }) {
    await lab.heal(`cut:repl:${other}`);
  },
};
