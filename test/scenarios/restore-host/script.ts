import { askAgent } from "../../lab/agent-client.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { iscsiCfg, toolstackReady } from "../../lab/setup-steps.ts";
import { until } from "../../lab/serving.ts";
import { vmsOf } from "../../lab/steps.ts";

const CONFIGURATION = "/etc/drbd.conf /etc/drbd.d /etc/tandem/tandem.yaml /etc/tandem/fence /var/lib/tandem";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ begin, lab, must, owner, other, serving, writes }) {
    await iscsiCfg(lab, owner, "iscsi-cfg backup", 0);
    begin(`${other} is installed again`);
    await lab.startNothingAtBoot(other);
    await lab.shutdown(other, "announced");
    await lab.nodes[other].replaceDataDisk();
    await lab.boot(other);
    await must(other, `rm -rf ${CONFIGURATION}; mkdir -p /var/lib/tandem; sync`);
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
};
