import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { BECOME_MASTER_TIMES, becomeMaster } from "../../../src/act/pool/become-master.ts";
import { DESIGNATE_TIMES, designateMaster } from "../../../src/act/pool/designate-master.ts";
import { RECOVER_TIMES, recoverSupporters } from "../../../src/act/pool/recover-supporters.ts";
import { refOf, run, startSimPool, value, vmState, vmUuid, XCP1, XCP2, SR } from "./sim-pool.ts";
import { SECOND } from "../../xapi-sim/addresses.ts";

const designate = { ...DESIGNATE_TIMES, everyMs: 50, fuseMs: 5_000, settleMs: 15_000 };
const promote = { ...BECOME_MASTER_TIMES, masterProbeMs: 200, everyMs: 50, enableMs: 5_000, restartMs: 10_000 };
const rejoin = { ...RECOVER_TIMES, probeMs: 1_000, everyMs: 50, settleMs: 10_000 };

describe("the planned hand-over of the master role", { timeout: 60_000 }, () => {
  const vms = [{ uuid: vmUuid(1), name: "vm1", disks: [{ sr: SR }] }];

  test("ends when both hosts are back in their new roles, and leaves VMs running", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms });
    await run(
      master,
      "VM.start_on",
      await refOf(master, "VM", vmUuid(1)),
      await refOf(master, "host", XCP1),
      false,
      false,
    );
    assert.equal(
      value(await designateMaster(master.context, { ownUuid: XCP1, targetUuid: XCP2 }, designate)),
      "changed",
    );
    const roles = await Promise.all([master.context.node.role(), supporter.context.node.role()]);
    assert.deepEqual(
      roles.map((role) => role.ok && role.value.kind),
      ["supporter", "master"],
    );
    assert.deepEqual(await vmState(supporter, vmUuid(1)), { power: "Running", on: XCP1 });
  });

  test("can be asked for by the host that becomes master, and is then a matter of looking", async (t) => {
    const { supporter } = await startSimPool(t);
    const hosts = { ownUuid: XCP2, targetUuid: XCP2 };
    assert.equal(value(await designateMaster(supporter.context, hosts, designate)), "changed");
    supporter.permission = () => false;
    assert.equal(value(await designateMaster(supporter.context, hosts, designate)), "already");
  });

  test("is not waited for when the other host is lost in the middle of it", async (t) => {
    const { master } = await startSimPool(t);
    let lost = false;
    const context = {
      ...master.context,
      permitted: () => !lost,
      progress: (step: string) => void (lost ||= step.startsWith("wait for")),
    };
    const begun = performance.now();
    const times = { ...designate, aloneMs: 200 };
    const done = await designateMaster(context, { ownUuid: XCP1, targetUuid: XCP2 }, times);
    assert.ok(!done.ok && done.error.kind === "not-permitted", JSON.stringify(done));
    const tookMs = performance.now() - begun;
    assert.ok(tookMs < designate.settleMs / 2, `${tookMs} ms`);
  });

  test("is refused for a host in maintenance, and does nothing without permission", async (t) => {
    const { master } = await startSimPool(t);
    const hosts = { ownUuid: XCP1, targetUuid: XCP2 };
    master.permission = () => false;
    const denied = await designateMaster(master.context, hosts, designate);
    assert.ok(!denied.ok && denied.error.kind === "not-permitted");
    master.permission = () => true;
    await run(master, "host.disable", await refOf(master, "host", XCP2));
    const disabled = await designateMaster(master.context, hosts, designate);
    assert.ok(!disabled.ok && disabled.error.kind === "refused");
    assert.match(disabled.error.reason, /disabled/);
    const role = await master.context.node.role();
    assert.ok(role.ok && role.value.kind === "master");
  });
});

describe("bringing a returned host into the pool", { timeout: 60_000 }, () => {
  test("turns a second master that kept running into a supporter", async (t) => {
    const { master, supporter } = await startSimPool(t);
    // Two masters: the old one is not dead but cannot be asked while the new one starts.
    await writeFile(master.secretPath, "unknown to the other host");
    value(await becomeMaster(supporter.context, XCP2, { ...promote, masterProbeMs: 0 }));
    const both = await Promise.all([master.context.node.role(), supporter.context.node.role()]);
    assert.deepEqual(
      both.map((role) => role.ok && role.value.kind),
      ["master", "master"],
    );
    await writeFile(master.secretPath, "the-pool-secret");
    const hosts = { ownUuid: XCP2, peerUuids: [XCP1] };
    assert.equal(value(await recoverSupporters(supporter.context, hosts, rejoin)), "changed");
    const role = await master.context.node.role();
    assert.deepEqual(role.ok && role.value.kind === "supporter" ? role.value.master : role, SECOND);
    assert.equal(value(await recoverSupporters(supporter.context, hosts, rejoin)), "already");
  });

  test("does not trust a live flag that is ten minutes behind", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await writeFile(master.secretPath, "unknown to the other host");
    value(await becomeMaster(supporter.context, XCP2, { ...promote, masterProbeMs: 0 }));
    await writeFile(master.secretPath, "the-pool-secret");
    const records = { ...supporter.context.records, isLive: async () => ({ ok: true, value: true }) as const };
    const hosts = { ownUuid: XCP2, peerUuids: [XCP1] };
    assert.equal(value(await recoverSupporters({ ...supporter.context, records }, hosts, rejoin)), "changed");
  });

  test("says what it found when the host does not come", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await master.powerOff();
    value(await becomeMaster(supporter.context, XCP2, promote));
    const hosts = { ownUuid: XCP2, peerUuids: [XCP1] };
    const result = await recoverSupporters(supporter.context, hosts, { ...rejoin, settleMs: 300 });
    assert.ok(!result.ok && result.error.kind === "unverified");
    assert.equal(result.error.found, "a host that is not live");
  });

  test("is refused on a supporter", async (t) => {
    const { supporter } = await startSimPool(t);
    const result = await recoverSupporters(supporter.context, { ownUuid: XCP2, peerUuids: [XCP1] }, rejoin);
    assert.ok(!result.ok && result.error.kind === "refused");
  });
});
