import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";
import { statusOf } from "../../lab/serving.ts";
import { bothPowered } from "../../lab/steps.ts";

const HOLDER = "pgrep -f '[w]atchdog-holder.mjs'";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, lab, must, owner, other }) {
    for (const node of [owner, other]) {
      const before = (await must(node, HOLDER)).trim();
      if (node === owner) await fault(`kill:watchdog-holder:${node}`);
      else await lab.fault(`kill:watchdog-holder:${node}`);
      await delay(8_000);
      bothPowered(lab);
      const after = (await must(node, HOLDER)).trim();
      if (after === "" || after === before) throw new Error(`the holder of ${node} was not started again`);
      const status = await statusOf(lab, node);
      if (status?.own.watchdog !== "armed") throw new Error(`the watchdog of ${node} is not armed`);
    }
  },
  async heal() {
    // It mends itself.
  },
};
