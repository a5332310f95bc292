import type { NodeName } from "../../lab/names.ts";
import { newerPackage, rpm } from "../../lab/installed/install.ts";
import { daemonLog, type Lab } from "../../lab/lab.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { statusOf, until } from "../../lab/serving.ts";

const mainPid = async (lab: Lab, node: NodeName): Promise<string> =>
  (await lab.must(node, "systemctl show --property=MainPID --value tandemd")).trim();

/** The daemon of the new package has both hosts' HA on, and its peer in sight. */
async function settled(lab: Lab, node: NodeName, oldPid: string): Promise<void> {
  await until(
    `The updated daemon of ${node}`,
    async () => {
      const pid = await mainPid(lab, node);
      if (pid === oldPid || pid === "0") return undefined;
      const status = await statusOf(lab, node);
      const isWell =
        status !== undefined && status.contact.inContact && status.own.ha === "on" && status.peer?.ha === "on";
      return isWell && ["OWNER", "STANDBY"].includes(status.own.state) ? true : undefined;
    },
    120_000,
    1_000,
  );
}

export const scenario: Scenario = {
  kernelInitiator: true,
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ begin, lab, must, owner, other, progress }) {
    const newer = newerPackage(lab);
    begin("rpm -U on both hosts in turn");
    for (const node of [other, owner]) {
      const oldPid = await mainPid(lab, node);
      await rpm(lab, node, `-U ${newer}`);
      lab.note(node, "rpm -U", "done");
      await settled(lab, node, oldPid);
      const resumed = (await daemonLog(lab, node)).some(({ detail }) =>
        /in the place of a daemon that stopped as agreed/.test(detail),
      );
      if (!resumed) throw new Error(`${node}: its new daemon started as after a crash`);
      const version = await must(node, "rpm -q --qf '%{version}-%{release}' tandem");
      if (!version.endsWith("-2")) throw new Error(`${node} has ${version} installed, expected release 2`);
      progress(`${node} runs the new package.`);
    }
  },
  async heal() {
    // Nothing is broken.
  },
};
