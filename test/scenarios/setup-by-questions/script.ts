import assert from "node:assert/strict";
import type { Lab } from "../../lab/lab.ts";
import { DATA_DISK, FACTS, IQN, NODES, STORAGE_PREFIX, VIP, type NodeName } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { until } from "../../lab/serving.ts";
import { toolstackReady, withoutStorage } from "../../lab/setup-steps.ts";
import { converse, type Reply } from "../../lab/terminal.ts";

const ANSWERS: readonly Reply[] = [
  ...NODES.flatMap((node) => [
    { to: new RegExp(`Address of ${node}[^]*: $`), type: FACTS[node].replication },
    { to: new RegExp(`Disk of ${node}[^]*: $`), type: DATA_DISK },
  ]),
  { to: /Floating IP[^]*: $/, type: `${VIP}/${STORAGE_PREFIX}` },
];
const diskOf = (node: NodeName): string => `${node}:${DATA_DISK}`;
const toErase = (node: NodeName, type: string): Reply => ({
  to: new RegExp(`Type ${diskOf(node)} to erase it[^]*: $`),
  type,
});
const yes: Reply = { to: /<yes or Enter to quit> $/, type: "yes" };
const FILES = "/etc/drbd.d/iscsi1.res /etc/tandem/tandem.yaml";

export const scenario: Scenario = {
  seed: withoutStorage,
  survivors: ({ lab }) => lab.vms.map((vm) => vm.uuid),
  blank: {
    async setUp(lab, progress) {
      await toolstackReady(lab);
      await lab.must("xcp2", `mkfs.ext4 -q ${DATA_DISK}`, 60_000);
      const at = async (command: string, replies: readonly Reply[], code: number): Promise<string> => {
        const { screen, ...ended } = await converse("xcp1", command, replies);
        lab.note("xcp1", command, screen);
        assert.equal(ended.code, code, `${command}: ${screen}`);
        // Names that cannot be folded, and the line that was typed.
        const free = new RegExp(`^( {8}|.*${command}; echo )`);
        const wide = screen.split("\n").filter((line) => line.length > 80 && !free.test(line));
        assert.deepEqual(wide, [], `${command} writes beyond column 80`);
        return screen;
      };
      const mistyped = { to: /Address of xcp1[^]*: $/, type: DATA_DISK };
      const dry = await at("iscsi-cfg setup --dry-run", [mistyped, ...ANSWERS], 0);
      assert.match(dry, /DATA {2}xcp2:\/dev\/ubdb would be ERASED[\s\S]*this was a dry run/);
      for (const wrong of ["", "yes", `xcp1:${DATA_DISK}`]) {
        const refused = await at("iscsi-cfg setup", [...ANSWERS, toErase("xcp2", wrong)], 3);
        assert.match(refused, /Nothing was changed/);
      }
      assert.match(
        await at("iscsi-cfg setup", [...ANSWERS, toErase("xcp2", diskOf("xcp2")), { ...yes, type: "" }], 1),
        /Nothing was/,
      );
      await untouched(lab);
      progress("iscsi-cfg setup …");
      // The measuring VMs know this name; it is the one thing that is not asked.
      await at(`iscsi-cfg setup --iqn ${IQN}`, [...ANSWERS, toErase("xcp2", diskOf("xcp2")), yes], 0);
      await at("iscsi-cfg setup", [], 0);
      assert.match(await at("iscsi-cfg setup --undo", [{ ...yes, type: "" }], 1), /Nothing was changed/);
      progress("iscsi-cfg setup --undo …");
      assert.match(await at("iscsi-cfg setup --undo", [yes], 3), /still in use on\s+xcp1/);
      for (const node of NODES) await lab.must(node, "iscsi-cfg manual-mode-enable");
      await lab.must("xcp1", "iscsi-cfg become-secondary", 60_000);
      await until(
        "The undo",
        async () => ((await lab.exec("xcp1", "iscsi-cfg setup --undo --yes", 240_000)).code === 0 ? true : undefined),
        120_000,
        5_000,
      );
      await untouched(lab);
      for (const node of NODES) assert.equal((await lab.exec(node, "drbdsetup status")).stdout, "", `DRBD on ${node}`);
      progress("iscsi-cfg setup, once more …");
      // What it left on the disks is data like any other.
      const typed = NODES.map((node) => toErase(node, diskOf(node)));
      // Manual mode outlives the undo: the new setup says so, and waits for a person at another terminal.
      const ends = {
        xcp1: "iscsi-cfg become-primary && iscsi-cfg manual-mode-disable",
        xcp2: "iscsi-cfg manual-mode-disable",
      };
      for (const node of NODES)
        await lab.must(node, `setsid sh -c 'until ${ends[node]}; do sleep 2; done' > /dev/null 2>&1 < /dev/null &`);
      await at(`iscsi-cfg setup --iqn ${IQN}`, [...ANSWERS, ...typed, yes], 0);
    },
  },
  async run({ begin }) {
    begin("the storage serves");
  },
  async heal() {
    // Nothing is broken.
  },
};

async function untouched(lab: Lab): Promise<void> {
  for (const node of NODES)
    assert.equal((await lab.exec(node, `ls ${FILES}`)).stdout, "", `files of the setup are on ${node}`);
}
