import assert from "node:assert/strict";
import type { Lab } from "../../lab/lab.ts";
import { SECOND, type NodeName } from "../../lab/names.ts";
import type { Scenario } from "../../lab/run-scenario.ts";
import { statusOf, until } from "../../lab/serving.ts";
import { vmsOf } from "../../lab/steps.ts";

const SERVES = / ro:Primary\/Secondary ds:UpToDate\/UpToDate /;
const STANDS_BY = / ro:Secondary\/Primary ds:UpToDate\/UpToDate /;
const SERVES_ALONE = / ro:Primary\/Unknown ds:UpToDate\/(Outdated|DUnknown) /;

/** Every resource of the node looks so, as its kernel tells it. */
async function all(lab: Lab, node: NodeName, wanted: RegExp, limitMs: number): Promise<void> {
  let seen = "";
  await until(
    `${lab.resources.length} resources like ${String(wanted)} on ${node}`,
    async () => {
      seen = (await lab.exec(node, "grep ' ro:' /proc/drbd", 5_000)).stdout;
      const lines = seen.trim().split("\n");
      return lines.length === lab.resources.length && lines.every((line) => wanted.test(line)) ? true : undefined;
    },
    limitMs,
  ).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}: ${seen}`);
  });
}

/** The daemon shows both, and the target exports both. */
async function exportedOn(lab: Lab, node: NodeName): Promise<void> {
  const roles = (await statusOf(lab, node))?.own.resources.map(({ name, view }) => `${name} ${view?.role ?? "-"}`);
  assert.deepEqual(
    roles,
    lab.resources.map(({ name }) => `${name} Primary`),
  );
  const shown = await lab.must(
    node,
    lab.target === "tgtd"
      ? "tgtadm --lld iscsi --mode target --op show"
      : "cat /sys/kernel/config/target/core/fileio_*/*/udev_path",
  );
  for (const { device } of lab.resources) assert.ok(shown.includes(device), `${device} is not exported: ${shown}`);
}

/** The VMs leave the second disk alone: what is on it is written and read where it is Primary, past the page cache. */
const SUM = `dd if=${SECOND.device} bs=64k count=16 iflag=direct 2>/dev/null | sha256sum`;
const stamp = (lab: Lab, node: NodeName): Promise<string> =>
  lab.must(node, `dd if=/dev/urandom of=${SECOND.device} bs=64k count=16 oflag=direct 2>/dev/null && ${SUM}`);

export const scenario: Scenario = {
  more: [SECOND],
  survivors: ({ lab, owner }) => vmsOf(lab, owner),
  async run({ fault, lab, owner, other, must, serving, writes, progress }) {
    const first = await stamp(lab, owner);
    progress((await must(owner, "iscsi-cfg switch", 60_000)).trim());
    assert.equal(await serving(10_000), other);
    await all(lab, other, SERVES, 5_000);
    await all(lab, owner, STANDS_BY, 5_000);
    await exportedOn(lab, other);
    assert.equal(await must(other, SUM), first, "the second disk is another one after the switch");

    const second = await stamp(lab, other);
    assert.notEqual(second, first);
    await fault(`power-loss:${other}`);
    assert.equal(await serving(30_000), owner);
    await all(lab, owner, SERVES_ALONE, 5_000);
    await exportedOn(lab, owner);
    assert.equal(await must(owner, SUM), second, "the second disk is another one after the loss of power");
    // The lost VMs run on the survivor and write again.
    await writes(vmsOf(lab, other), 200, 120_000);
  },
  async heal({ lab, owner, other }) {
    await lab.heal(`power-loss:${other}`);
    await all(lab, owner, SERVES, 90_000);
    await all(lab, other, STANDS_BY, 5_000);
  },
};
