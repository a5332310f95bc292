import assert from "node:assert/strict";
import { RESOURCE } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { statusOf, until } from "../../lab/serving.ts";
import { iscsiCfg, toolstackReady } from "../../lab/setup-steps.ts";
import { alertOn, vmsOf } from "../../lab/steps.ts";

export const scenario: Scenario = {
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ begin, lab, owner, other, writes, progress }) {
    begin(`${other} gets a blank disk`);
    await lab.shutdown(other, "announced");
    await lab.nodes[other].replaceDataDisk();
    await lab.boot(other);
    await writes(vmsOf(lab, owner), 500, 60_000);
    await toolstackReady(lab);
    await until("tandemd on the repaired host", async () => ((await statusOf(lab, other)) ? true : undefined), 60_000);
    const check = await iscsiCfg(lab, other, "iscsi-cfg check", 1);
    assert.match(check.stdout, /carries no metadata[\s\S]*iscsi-cfg replace-disk/);
    const alert = await alertOn(lab, other, `disk:${RESOURCE}`, 60_000);
    assert.match(alert, /iscsi-cfg replace-disk/);
    progress(alert);
    await iscsiCfg(lab, owner, "iscsi-cfg replace-disk", 3);
    await iscsiCfg(lab, other, "iscsi-cfg replace-disk", 0);
    assert.match(await lab.must(other, "cat /proc/drbd"), /ds:UpToDate\/UpToDate/);
  },
  async heal() {
    // Nothing is broken.
  },
};
