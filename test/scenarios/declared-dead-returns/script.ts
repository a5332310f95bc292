import { setTimeout as delay } from "node:timers/promises";
import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { vmsOf } from "../../lab/steps.ts";
import { xapi } from "../../lab/xapi-call.ts";
import { daemonLog } from "../../lab/lab.ts";

/** T_take, and then xapi asks the silent host for itself and for each of its two VMs, 3 s a time: between the last two. */
const DEAF_MS = 21_500;

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ fault, lab, owner, other, begin, progress }) {
    await fault(`deaf:${owner}`);
    await delay(DEAF_MS);
    begin("contact is back");
    await lab.heal(`deaf:${owner}`);
    const theirs = vmsOf(lab, other);
    const power = (vm: string): Promise<unknown> =>
      xapi(lab, owner, "VM.get_by_uuid", [vm]).then((ref) => xapi(lab, owner, "VM.get_power_state", [ref]));
    await until(
      "The alert about a VM that strayed",
      async () => {
        const log = await daemonLog(lab, other);
        return log.some(({ detail }) => detail.startsWith("vm-strayed:")) ? true : undefined;
      },
      60_000,
      1_000,
    );
    progress("A VM runs that xapi calls halted …");
    await until(
      "Every VM as it is in xapi's records",
      async () => {
        const states = await Promise.all(theirs.map(power)).catch(() => []);
        return states.length > 0 && states.every((state) => state === "Running") ? true : undefined;
      },
      120_000,
      1_000,
    );
  },
  async heal() {
    // Contact is back already.
  },
};
