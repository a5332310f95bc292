import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { bothPowered, nobodyFenced, roleIs, runOn, vmsOf } from "../../lab/steps.ts";
import { xapi } from "../../lab/xapi-call.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner, other }) => vmsOf(lab, owner, other),
  async run({ begin, lab, must, owner, other }) {
    begin("both toolstacks restart");
    const begunAt = Date.now();
    for (const node of [owner, other]) await must(node, "xe-toolstack-restart; true");
    for (const node of [owner, other]) {
      const answers = (): Promise<true | undefined> =>
        xapi(lab, node, "pool.get_all", [], 3_000).then(
          () => true,
          () => undefined,
        );
      await until(`The toolstack of ${node}`, answers, 60_000, 1_000);
    }
    await roleIs(lab, owner, "master");
    await roleIs(lab, other, "supporter");
    await runOn(lab, owner, vmsOf(lab, owner));
    await runOn(lab, other, vmsOf(lab, other));
    bothPowered(lab);
    await nobodyFenced(lab, begunAt);
  },
  async heal() {
    // Nothing was broken.
  },
};
