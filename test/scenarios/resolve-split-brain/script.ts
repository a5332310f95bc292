import type { Scenario } from "../../lab/run-scenario.ts";
import { splitBrain } from "../../lab/split-brain.ts";
import { neverServes, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  parameters: { SLAVE_HA: "0" },
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run(context) {
    const { lab, must, owner, other, progress, serving, writes } = context;
    await splitBrain(context);
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
