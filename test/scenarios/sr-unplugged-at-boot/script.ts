import type { Lab } from "../../lab/lab.ts";
import { FACTS, NODES, type NodeName } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { alertOn, startAll } from "../../lab/steps.ts";
import { xapi } from "../../lab/xapi-call.ts";

/** The PBD of this node and whether xapi calls it plugged; undefined while xapi does not answer. */
async function pbdOf(lab: Lab, node: NodeName): Promise<{ ref: string; attached: boolean } | undefined> {
  const host = await xapi(lab, node, "host.get_by_uuid", [FACTS[node].uuid]);
  const all = (await xapi(lab, node, "PBD.get_all_records", [])) as Readonly<
    Record<string, { readonly host: string; readonly currently_attached: boolean }>
  >;
  const own = Object.entries(all).find(([, pbd]) => pbd.host === host);
  return own === undefined ? undefined : { ref: own[0], attached: own[1].currently_attached };
}

async function plugged(lab: Lab, node: NodeName, limitMs: number): Promise<void> {
  await until(
    `The SR plugged on ${node}`,
    () =>
      pbdOf(lab, node).then(
        (pbd) => (pbd?.attached === true ? true : undefined),
        () => undefined,
      ),
    limitMs,
    1_000,
  );
}

export const scenario: Scenario = {
  ha: false,
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  async run({ fault, lab, owner, other, serving, must, progress }) {
    await Promise.all([fault(`power-loss:${owner}`), lab.fault(`power-loss:${other}`)]);
    await Promise.all(NODES.map((node) => lab.heal(`power-loss:${node}`)));
    await serving(60_000);
    await Promise.all(NODES.map((node) => plugged(lab, node, 90_000)));
    const { stdout } = await lab.exec(owner, "grep -c 'of this host are plugged again' /var/log/tandem/tandemd.log");
    if (Number(stdout) < 1)
      throw new Error(`${owner}: its SR was not plugged by the daemon: xapi must have found it served`);
    // Somebody unplugs it: that is told and not undone; a word mends it.
    const pbd = await pbdOf(lab, other);
    await xapi(lab, other, "PBD.unplug", [pbd?.ref ?? ""]);
    progress(await alertOn(lab, other, "sr-unplugged", 30_000));
    progress((await must(other, "iscsi-cfg replug", 60_000)).trim());
    await plugged(lab, other, 10_000);
    await startAll(lab, owner);
  },
  async heal() {
    // Both are back by the scenario itself.
  },
};
