import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";
import { RESOURCE } from "../../lab/names.ts";
import { statusOf } from "../../lab/serving.ts";
import { alertOn, bothPowered } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, lab, other }) {
    await fault(`disk:${other}`);
    await delay(5_000);
    await alertOn(lab, other, `disk:${RESOURCE}`, 10_000);
    if ((await statusOf(lab, other))?.own.eligible !== false) throw new Error(`${other} would still take over`);
    bothPowered(lab);
  },
  async heal({ lab, other }) {
    await lab.heal(`disk:${other}`);
  },
};
