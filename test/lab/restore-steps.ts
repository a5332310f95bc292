// A host that lost its storage comes back from what the pool's database keeps: what the scenarios about that have in common.

import { askAgent } from "./agent-client.ts";
import type { Context, Scenario } from "./run-scenario.ts";
import { until } from "./serving.ts";
import { iscsiCfg, toolstackReady } from "./setup-steps.ts";
import { vmsOf } from "./steps.ts";

/** `loseStorage` finds the other host off, and leaves it up and without anything of its storage. */
export const comesBack = (
  what: string,
  loseStorage: (context: Context) => Promise<void>,
): Pick<Scenario, "survivors" | "run" | "heal"> => ({
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run(context) {
    const { begin, lab, must, owner, other, serving, writes } = context;
    await iscsiCfg(lab, owner, "iscsi-cfg backup", 0);
    begin(`${other} ${what}`);
    await lab.startNothingAtBoot(other);
    await lab.shutdown(other, "announced");
    await loseStorage(context);
    await writes(vmsOf(lab, owner), 500, 60_000);
    await askAgent(other, { op: "service", name: "xapi", run: true }, 5_000);
    await toolstackReady(lab);
    await iscsiCfg(lab, other, "iscsi-cfg restore --dry-run", 0);
    await iscsiCfg(lab, other, "iscsi-cfg restore", 0);
    await must(other, "test -s /etc/tandem/fence/LABBMC/LABBMC.hosts");
    // Nothing that a failover needs is missing: it serves.
    const moved = async (): Promise<true | undefined> =>
      (await lab.exec(owner, "iscsi-cfg switch", 60_000)).code === 0 ? true : undefined;
    await until("A switch to the restored host", moved, 90_000, 2_000);
    await serving(10_000);
  },
  async heal() {
    // Nothing is broken.
  },
});
