import { runDocumented } from "../../lab/installed/documented.ts";
import { rpm } from "../../lab/installed/install.ts";
import type { Lab } from "../../lab/lab.ts";
import type { NodeName } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { xapi } from "../../lab/xapi-call.ts";

const KEPT = "/etc/tandem/tandem.yaml /var/lib/tandem/state.json /var/log/tandem/tandemd.log";

async function poolKeys(lab: Lab, node: NodeName): Promise<readonly string[]> {
  const [pool] = (await xapi(lab, node, "pool.get_all", [])) as readonly string[];
  const config = (await xapi(lab, node, "pool.get_other_config", [pool])) as Readonly<Record<string, string>>;
  return Object.keys(config).filter((key) => key.startsWith("tandem:"));
}

/** What the package brought, and every program of it that runs. */
async function gone(lab: Lab, node: NodeName): Promise<void> {
  const files = "/opt/tandem /usr/sbin/ha-cfg /usr/lib/systemd/system/tandemd.service /var/cache/tandem";
  const { stdout } = await lab.exec(
    node,
    `ls -d ${files} 2>/dev/null; systemctl is-enabled tandemd tandem-metrics.service tandem-witness 2>/dev/null`,
  );
  if (stdout.trim() !== "")
    throw new Error(`${node}: still there after rpm -e: ${stdout.trim().replaceAll("\n", ", ")}`);
  await until(
    `The end of every program of the package on ${node}`,
    async () => {
      const left = await lab.exec(node, "ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c /opt/tandem");
      return left.stdout.trim() === "0" ? true : undefined;
    },
    10_000,
  );
}

export const scenario: Scenario = {
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ begin, lab, must, owner, other }) {
    await runDocumented(lab, owner);
    const refused = await lab.exec(other, "rpm -e tandem 2>&1", 60_000);
    if (refused.code === 0 || !/HA is on\. Switch it off first: ha-cfg disable/.test(refused.stdout))
      throw new Error(`${other}: rpm -e with HA on ended with ${refused.code}: ${refused.stdout}`);
    begin("ha-cfg disable, rpm -e on both hosts");
    await must(owner, "ha-cfg disable", 60_000);
    await rpm(lab, other, "-e tandem");
    await gone(lab, other);
    await must(other, `ls ${KEPT}`);
    if ((await poolKeys(lab, owner)).length === 0)
      throw new Error("an erase without TANDEM_PURGE took the pool's keys");
    await must(owner, "TANDEM_PURGE=1 rpm -e tandem 2>&1", 180_000);
    await gone(lab, owner);
    const { stdout } = await lab.exec(owner, "ls -d /etc/tandem /var/lib/tandem /var/log/tandem 2>/dev/null");
    if (stdout !== "") throw new Error(`${owner}: TANDEM_PURGE left ${stdout}`);
    const keys = await poolKeys(lab, owner);
    if (keys.length > 0) throw new Error(`TANDEM_PURGE left the pool's keys ${keys.join(", ")}`);
  },
  async heal() {
    // The storage is served on by what runs.
  },
};
