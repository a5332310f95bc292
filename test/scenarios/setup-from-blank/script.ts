import assert from "node:assert/strict";
import type { Scenario } from "../../lab/run-scenario.ts";
import { iscsiCfg, SETUP, toolstackReady, withoutStorage } from "../../lab/setup-steps.ts";

export const scenario: Scenario = {
  seed: withoutStorage,
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  blank: {
    async setUp(lab, progress) {
      await toolstackReady(lab);
      const dry = await iscsiCfg(lab, "xcp1", `${SETUP} --dry-run`, 0);
      for (const line of ["/etc/drbd.d/iscsi1.res", "/etc/tandem/tandem.yaml", "create-md", "systemctl disable tgt"])
        assert.ok(dry.stdout.includes(line), `the dry run does not show ${line}: ${dry.stdout}`);
      const touched = await lab.exec("xcp2", "ls /etc/drbd.d/iscsi1.res /etc/tandem/tandem.yaml; cat /proc/drbd");
      assert.notEqual(touched.code, 0, `the dry run changed the other host: ${touched.stdout}`);
      progress("iscsi-cfg setup …");
      await iscsiCfg(lab, "xcp1", `${SETUP} --yes`, 0);
      const again = await iscsiCfg(lab, "xcp2", `${SETUP} --json`, 0);
      const { plans } = JSON.parse(again.stdout) as {
        readonly plans: readonly { readonly steps: readonly unknown[] }[];
      };
      assert.deepEqual(
        plans.map(({ steps }) => steps),
        [[], []],
        "a second setup finds nothing to do",
      );
    },
  },
  async run({ begin, lab, must, owner, serving }) {
    const check = await lab.exec(owner, "iscsi-cfg check", 60_000);
    lab.note(owner, "iscsi-cfg check", check.stdout);
    assert.equal(check.code, 0, check.stdout + check.stderr);
    begin("iscsi-cfg switch");
    await must(owner, "iscsi-cfg switch", 60_000);
    await serving(5_000);
  },
  async heal() {
    // Nothing is broken.
  },
};
