import assert from "node:assert/strict";
import type { Lab } from "../../lab/lab.ts";
import { DATA_DISK, NEXT_DISK, NODES, RESOURCE, type NodeName } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { iscsiCfg, toolstackReady } from "../../lab/setup-steps.ts";
import { vmsOf } from "../../lab/steps.ts";

const REPLACE = `iscsi-cfg replace-disk --disk ${NEXT_DISK}`;

/** The disk of `of` as the configuration on `on` names it. */
async function named(lab: Lab, on: NodeName, of: NodeName): Promise<string> {
  const dump = await lab.must(on, `drbdadm dump ${RESOURCE}`);
  return new RegExp(`on ${of} \\{[^}]*?disk\\s+(\\S+);`).exec(dump)?.[1] ?? `no disk in ${dump}`;
}

async function disksAre(lab: Lab, wanted: Readonly<Record<NodeName, string>>): Promise<void> {
  for (const on of NODES) for (const of of NODES) assert.equal(await named(lab, on, of), wanted[of], `${of} on ${on}`);
}

export const scenario: Scenario = {
  spareDisk: true,
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ begin, lab, owner, other, must, writes }) {
    await disksAre(lab, { xcp1: DATA_DISK, xcp2: DATA_DISK });
    begin(`the disk of ${other} is replaced`);
    const held = await iscsiCfg(lab, other, REPLACE, 3);
    assert.match(held.stdout + held.stderr, new RegExp(`first: drbdadm detach ${RESOURCE}`));
    await must(other, `drbdadm detach ${RESOURCE}`);
    await writes(vmsOf(lab, owner), 300, 60_000);
    const dry = await iscsiCfg(lab, other, `${REPLACE} --dry-run`, 0);
    assert.match(dry.stdout + dry.stderr, /Nothing was changed/);
    await disksAre(lab, { xcp1: DATA_DISK, xcp2: DATA_DISK });
    await iscsiCfg(lab, other, REPLACE, 0);
    const after = { xcp1: DATA_DISK, xcp2: DATA_DISK, [other]: NEXT_DISK };
    await disksAre(lab, after);
    assert.equal((await must(other, `drbdadm sh-ll-dev ${RESOURCE}`)).trim(), NEXT_DISK);
    assert.match(await must(other, "cat /proc/drbd"), /ds:UpToDate\/UpToDate/);
    const again = await iscsiCfg(lab, other, REPLACE, 0);
    assert.match(again.stdout + again.stderr, /up to date/);

    await lab.shutdown(other, "announced");
    await lab.boot(other);
    await toolstackReady(lab);
    await until(
      `${RESOURCE} in sync after the reboot`,
      async () => (/ds:UpToDate\/UpToDate/.test(await must(other, "cat /proc/drbd")) ? true : undefined),
      60_000,
      500,
    );
    assert.match(await must(other, `drbdsetup show ${RESOURCE}`), new RegExp(`disk\\s+"?${NEXT_DISK}"?;`));
  },
  async heal() {
    // Nothing is broken.
  },
};
