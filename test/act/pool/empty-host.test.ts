import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BECOME_MASTER_TIMES, becomeMaster } from "../../../src/act/pool/become-master.ts";
import { EMPTY_TIMES, emptyHost, type EmptyOrder } from "../../../src/act/pool/empty-host.ts";
import { LEFT_KEY } from "../../../src/core/decide/vms/guard.ts";
import { everyVm } from "../../core/decide/vms/vm.ts";
import { GIB, refOf, run, SR, startSimPool, value, vmState, vmUuid, XCP1, XCP2, type SimHost } from "./sim-pool.ts";

const times = { ...EMPTY_TIMES, movesMs: 5_000, moveMs: 3_000, cleanMs: 2_000, hardMs: 2_000, everyMs: 20 };
const promotion = { ...BECOME_MASTER_TIMES, masterProbeMs: 200, everyMs: 50, enableMs: 5_000, restartMs: 10_000 };
const vm = (n: number, change = {}) => ({
  uuid: vmUuid(n),
  name: `vm${n}`,
  pvDrivers: true,
  memoryBytes: GIB / 4,
  disks: [{ sr: SR }],
  ...change,
});
const order: EmptyOrder = { ownUuid: XCP1, policy: "migrate", vmPolicy: everyVm, targets: [XCP2] };

async function startHere(host: SimHost, ...numbers: readonly number[]): Promise<void> {
  const hostRef = await refOf(host, "host", host.uuid);
  for (const n of numbers) await run(host, "VM.start_on", await refOf(host, "VM", vmUuid(n)), hostRef, false, false);
}

async function markOf(host: SimHost, n: number): Promise<string | undefined> {
  const other = await run(host, "VM.get_other_config", await refOf(host, "VM", vmUuid(n)));
  return (other as Record<string, string>)[LEFT_KEY];
}

describe("emptying a host that goes down", { timeout: 60_000 }, () => {
  test("moves what can move, shuts the rest down with a mark, and starts nothing new on it", async (t) => {
    const { master } = await startSimPool(t, { vms: [vm(1), vm(2, { pvDrivers: false }), vm(3)] });
    await startHere(master, 1, 2);
    assert.deepEqual(value(await emptyHost(master.context, order, times)), {
      moved: ["vm1"],
      stopped: ["vm2"],
      left: [],
    });
    assert.deepEqual(await vmState(master, vmUuid(1)), { power: "Running", on: XCP2 });
    assert.equal((await vmState(master, vmUuid(2))).power, "Halted");
    assert.deepEqual(
      [await markOf(master, 1), await markOf(master, 2), await markOf(master, 3)],
      [undefined, XCP1, undefined],
    );
    assert.equal(await run(master, "host.get_enabled", await refOf(master, "host", XCP1)), false);
  });

  test("LEAVE_POLICY=shutdown shuts down, the highest order first", async (t) => {
    const { master } = await startSimPool(t, {
      vms: [vm(1, { fields: { order: 1 } }), vm(2, { fields: { order: 2 } })],
    });
    await startHere(master, 1, 2);
    const report = value(await emptyHost(master.context, { ...order, policy: "shutdown" }, times));
    assert.deepEqual(report, { moved: [], stopped: ["vm2", "vm1"], left: [] });
  });

  test("what it shut down is halted and marked for a toolstack that is promoted without it", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1)] });
    await startHere(master, 1);
    await run(master, "pool.sync_database");
    value(await emptyHost(master.context, { ...order, policy: "shutdown" }, times));
    await master.powerOff();
    value(await becomeMaster(supporter.context, XCP2, promotion));
    assert.equal((await vmState(supporter, vmUuid(1))).power, "Halted");
    assert.equal(await markOf(supporter, 1), XCP1);
  });

  test("without another host, or without room there, VMs are shut down", async (t) => {
    const { master } = await startSimPool(t, {
      vms: [vm(1), vm(2, { memoryBytes: 5 * GIB }), vm(3, { memoryBytes: 5 * GIB })],
    });
    await startHere(master, 1, 2);
    const peer = await refOf(master, "host", XCP2);
    await run(master, "VM.start_on", await refOf(master, "VM", vmUuid(3)), peer, false, false);
    assert.deepEqual(value(await emptyHost(master.context, order, times)), {
      moved: ["vm1"],
      stopped: ["vm2"],
      left: [],
    });
    assert.ok(master.steps.includes("vm2 cannot move: no other host has room for it"));
    const alone = value(await emptyHost(master.context, { ...order, targets: [] }, times));
    assert.deepEqual(alone, { moved: [], stopped: [], left: [] });
  });

  test("leaves VMs alone that are not protected, and everything without permission", async (t) => {
    const { master } = await startSimPool(t, { vms: [vm(1)] });
    await startHere(master, 1);
    const nothing = { moved: [], stopped: [], left: [] };
    const vmPolicy = { ...everyVm, globalVmHa: false };
    assert.deepEqual(value(await emptyHost(master.context, { ...order, vmPolicy }, times)), nothing);
    master.permission = () => false;
    const report = value(await emptyHost(master.context, order, times));
    assert.deepEqual([report.moved, report.stopped, report.left.length], [[], [], 1]);
    assert.deepEqual(await vmState(master, vmUuid(1)), { power: "Running", on: XCP1 });
  });

  test("a guest that does not shut down in its time is ended hard", async (t) => {
    const { master } = await startSimPool(t, { vms: [vm(1, { pvDrivers: false })] });
    await startHere(master, 1);
    const report = value(await emptyHost(master.context, { ...order, policy: "shutdown" }, times));
    assert.deepEqual(report.stopped, ["vm1"]);
    assert.ok(master.steps.includes("shut vm1 down hard"));
  });
});
