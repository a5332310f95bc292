import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { BECOME_MASTER_TIMES, becomeMaster } from "../../../src/act/pool/become-master.ts";
import { lockKey } from "../../../src/act/pool/vdi-locks.ts";
import { resetLeftVms, type ResetOrder } from "../../../src/act/pool/reset-left.ts";
import { LEFT_KEY } from "../../../src/core/decide/vms/guard.ts";
import { GIB, refOf, run, SR, startSimPool, value, vmState, vmUuid, XCP1, XCP2, type SimHost } from "./sim-pool.ts";

const times = { ...BECOME_MASTER_TIMES, masterProbeMs: 200, everyMs: 50, enableMs: 5_000, restartMs: 10_000 };
const vms = [1, 2].map((n) => ({
  uuid: vmUuid(n),
  name: `vm${n}`,
  pvDrivers: true,
  memoryBytes: GIB / 4,
  disks: [{ sr: SR }],
}));

/** The master's VMs run in the copy from which the supporter is promoted; the master shut them down since, and is off. */
async function promotedOnAnOlderCopy(t: TestContext): Promise<SimHost> {
  const { master, supporter } = await startSimPool(t, { vms });
  const here = await refOf(master, "host", XCP1);
  const refs = await Promise.all(vms.map((vm) => refOf(master, "VM", vm.uuid)));
  for (const ref of refs) await run(master, "VM.start_on", ref, here, false, false);
  await run(master, "pool.sync_database");
  for (const ref of refs) await run(master, "VM.clean_shutdown", ref);
  await master.powerOff();
  value(await becomeMaster(supporter.context, XCP2, times));
  assert.deepEqual(await vmState(supporter, vmUuid(1)), { power: "Running", on: XCP1 });
  return supporter;
}

const orderOf = (host: SimHost, change: Partial<ResetOrder> = {}): ResetOrder => ({
  ownUuid: XCP2,
  leftUuid: XCP1,
  lastSeen: new Map([
    [vmUuid(1), null],
    [vmUuid(2), null],
  ]),
  stoppedByLeaving: new Set([vmUuid(1)]),
  localDomains: () => host.localDomains(),
  ...change,
});

async function markOf(host: SimHost, n: number): Promise<string | undefined> {
  const other = await run(host, "VM.get_other_config", await refOf(host, "VM", vmUuid(n)));
  return (other as Record<string, string>)[LEFT_KEY];
}

describe("VMs of a host that left, in the database of a toolstack that was promoted", { timeout: 60_000 }, () => {
  test("become halted, without locks; those that the host itself stopped start again with it", async (t) => {
    const supporter = await promotedOnAnOlderCopy(t);
    const report = value(await resetLeftVms(supporter.context, orderOf(supporter)));
    assert.deepEqual(report, { halted: ["vm1", "vm2"], left: [] });
    for (const n of [1, 2]) assert.deepEqual(await vmState(supporter, vmUuid(n)), { power: "Halted", on: null });
    assert.deepEqual([await markOf(supporter, 1), await markOf(supporter, 2)], [XCP1, undefined]);
    const vdis = JSON.stringify(await run(supporter, "VDI.get_all_records"));
    assert.ok(!vdis.includes(lockKey(await refOf(supporter, "host", XCP1))), vdis);
    assert.deepEqual(value(await resetLeftVms(supporter.context, orderOf(supporter))), { halted: [], left: [] });
  });

  test("are left as they are where they may run elsewhere, where this host is not known, or without permission", async (t) => {
    const supporter = await promotedOnAnOlderCopy(t);
    const elsewhere = new Map([
      [vmUuid(1), XCP2],
      [vmUuid(2), null],
    ]);
    const localDomains = async (): Promise<ReadonlySet<string>> => new Set([vmUuid(2)]);
    const report = value(
      await resetLeftVms(supporter.context, orderOf(supporter, { lastSeen: elsewhere, localDomains })),
    );
    assert.deepEqual([report.halted, report.left.map((one) => one.name)], [[], ["vm1", "vm2"]]);
    const unknown = await resetLeftVms(supporter.context, orderOf(supporter, { localDomains: async () => null }));
    assert.ok(!unknown.ok && unknown.error.kind === "refused", JSON.stringify(unknown));
    supporter.permission = () => false;
    const denied = await resetLeftVms(supporter.context, orderOf(supporter));
    assert.ok(!denied.ok && denied.error.kind === "not-permitted", JSON.stringify(denied));
    for (const n of [1, 2]) assert.deepEqual(await vmState(supporter, vmUuid(n)), { power: "Running", on: XCP1 });
  });
});
