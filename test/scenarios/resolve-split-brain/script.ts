import { setTimeout as delay } from "node:timers/promises";
import { VIP, type NodeName } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { alertOn, neverServes, vmsOf } from "../../lab/steps.ts";
import { shutdownVm } from "../../lab/xapi-call.ts";

/** Behind the VMs' regions: what is discarded later belongs to nobody. */
const WRITE = "dd if=/dev/urandom of=/dev/drbd1 bs=64k count=4 seek=2400 oflag=direct";

export const scenario: Scenario = {
  parameters: { SLAVE_HA: "0" },
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ fault, lab, must, owner, other, policy, progress, serving, writes }) {
    if (policy !== "vote") throw new Error("only VOTE lets two hosts serve: run it with --policy vote");
    for (const vm of vmsOf(lab, other)) await shutdownVm(lab, owner, vm);
    await fault("filter");
    const serves = async (node: NodeName): Promise<boolean> =>
      (await must(node, "ip -4 -o addr show dev repl; cat /proc/drbd")).includes(`${VIP}/32`);
    await until("The second owner", async () => ((await serves(other)) ? true : undefined), 40_000);
    await must(other, WRITE);
    await delay(2_000);
    await lab.heal("filter");
    const nobody = async (): Promise<true | undefined> =>
      (await serves(owner)) || (await serves(other)) ? undefined : true;
    await until("Both withdrawing", nobody, 20_000);
    await Promise.all([neverServes(lab, owner, 8_000), neverServes(lab, other, 8_000)]);
    for (const node of [owner, other]) await alertOn(lab, node, "split-brain", 5_000);
    // The operator picks: nothing happens without the victim's name, and not on the wrong host.
    const resolve = "iscsi-cfg resolve-split-brain";
    const shown = await lab.exec(owner, `${resolve} </dev/null`, 20_000);
    const wrong = await lab.exec(owner, `${resolve} --victim ${owner} </dev/null`, 20_000);
    if (shown.code !== 2 || wrong.code !== 3) throw new Error(`not refused: ${shown.stderr} ${wrong.stderr}`);
    for (const word of ["StandAlone", "Last write", "Out of sync"])
      if (!shown.stdout.includes(word)) throw new Error(`the comparison lacks "${word}": ${shown.stdout}`);
    progress(shown.stdout);
    await neverServes(lab, owner, 3_000);
    progress(await must(owner, `${resolve} --victim ${other} 2>&1`, 120_000));
    await serving(30_000);
    await writes(vmsOf(lab, owner), 200, 60_000);
  },
  async heal() {
    // Healed by the operator's choice.
  },
};
