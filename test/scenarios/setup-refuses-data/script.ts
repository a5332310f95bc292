import assert from "node:assert/strict";
import { DATA_DISK } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { iscsiCfg, SETUP, toolstackReady, withoutStorage } from "../../lab/setup-steps.ts";

export const scenario: Scenario = {
  seed: withoutStorage,
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  blank: {
    async setUp(lab) {
      await toolstackReady(lab);
      await lab.must("xcp2", `mkfs.ext4 -q ${DATA_DISK}`, 60_000);
      const before = await lab.must("xcp2", `sha256sum ${DATA_DISK}`, 60_000);
      for (const erase of ["", `--erase xcp1:${DATA_DISK}`, "--erase xcp2:/dev/ubdc"]) {
        const refused = await iscsiCfg(lab, "xcp1", `${SETUP} --yes ${erase}`, 3);
        assert.match(refused.stdout + refused.stderr, /xcp2:\/dev\/ubdb[\s\S]*ext4/);
      }
      assert.equal(await lab.must("xcp2", `sha256sum ${DATA_DISK}`, 60_000), before, "the file system was touched");
      for (const node of ["xcp1", "xcp2"] as const) {
        const found = await lab.exec(node, "ls /etc/drbd.d/iscsi1.res /etc/tandem/tandem.yaml");
        assert.equal(found.stdout, "", `a refused setup left files on ${node}`);
      }
      await iscsiCfg(lab, "xcp1", `${SETUP} --yes --erase xcp2:${DATA_DISK}`, 0);
    },
  },
  async run({ begin }) {
    begin("the storage serves");
  },
  async heal() {
    // Nothing is broken.
  },
};
