import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { bothPowered } from "../../lab/steps.ts";
import { xapi } from "../../lab/xapi-call.ts";

export const scenario: Scenario = {
  parameters: { XAPI_COUNT: "2", XAPI_DELAY: "5" },
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, lab, owner, progress }) {
    const begun = Date.now();
    await fault(`hang:xapi-sim:${owner}`);
    const answers = (): Promise<true | undefined> =>
      xapi(lab, owner, "pool.get_all", [], 3_000).then(
        () => true,
        () => undefined,
      );
    // The pool's blocked call ends after 35 s, then twice five seconds, then the start.
    await until("The toolstack's answer", answers, 120_000, 2_000);
    progress(`the toolstack answers again after ${((Date.now() - begun) / 1000).toFixed(0)} s`);
    bothPowered(lab);
  },
  async heal() {
    // It mends itself.
  },
};
