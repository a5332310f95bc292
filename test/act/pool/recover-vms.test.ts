import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BECOME_MASTER_TIMES, becomeMaster } from "../../../src/act/pool/become-master.ts";
import {
  recoverPeerVms,
  startConfirmedVms,
  type RecoveryOrder,
  type RecoveryReport,
} from "../../../src/act/pool/recover-vms.ts";
import { clearDeadLocks } from "../../../src/act/pool/vdi-locks.ts";
import type { Done } from "../../../src/act/pool/procedure.ts";
import { everyVm } from "../../core/decide/vms/vm.ts";
import {
  eventually,
  GIB,
  QUICK_RECOVERY,
  refOf,
  run,
  sessionOf,
  SR,
  startSimPool,
  value,
  vmState,
  vmUuid,
  XCP1,
  XCP2,
  type SimHost,
} from "./sim-pool.ts";

const times = { ...BECOME_MASTER_TIMES, masterProbeMs: 200, everyMs: 50, enableMs: 5_000, restartMs: 10_000 };

function vm(n: number, fields: Record<string, string | number> = {}, memoryBytes = GIB / 4) {
  return { uuid: vmUuid(n), name: `vm${n}`, memoryBytes, disks: [{ sr: SR }], fields };
}

function recover(host: SimHost, deadUuid: string, change: Partial<RecoveryOrder> = {}): Promise<Done<RecoveryReport>> {
  const order: RecoveryOrder = {
    deadUuid,
    ownUuid: host.uuid,
    policy: everyVm,
    lastSeen: new Map(),
    localDomains: () => host.localDomains(),
    remember: async () => undefined,
  };
  return recoverPeerVms(host.context, { ...order, ...change }, QUICK_RECOVERY);
}

async function startOn(host: SimHost, on: SimHost, ...uuids: readonly string[]): Promise<void> {
  const hostRef = await refOf(host, "host", on.uuid);
  for (const uuid of uuids) await run(host, "VM.start_on", await refOf(host, "VM", uuid), hostRef, false, false);
}

const outcomes = (report: RecoveryReport) =>
  Object.fromEntries(report.starts.map((one) => [one.name, one.outcome.kind]));
const startSteps = (host: SimHost) => host.steps.filter((step) => step.startsWith("start vm"));

describe("recovering the VMs of a dead host", { timeout: 120_000 }, () => {
  test("a dead supporter's VMs start on the master, in order; those of the master stay", async (t) => {
    const vms = [
      vm(1, { order: 2 }),
      vm(2, { order: 1 }),
      vm(3, { ha_restart_priority: "restart", order: 9 }),
      vm(4),
      vm(5),
    ];
    const { master, supporter } = await startSimPool(t, { vms });
    await startOn(master, supporter, vmUuid(1), vmUuid(2), vmUuid(3));
    await startOn(master, master, vmUuid(4));
    await supporter.powerOff();
    const remembered: string[] = [];
    const remember = async (uuids: readonly string[]) => void remembered.push(...uuids);
    const report = value(await recover(master, XCP2, { remember }));
    assert.deepEqual(outcomes(report), { vm1: "started", vm2: "started", vm3: "started" });
    assert.deepEqual(startSteps(master), ["start vm3", "start vm2", "start vm1"]);
    assert.deepEqual(remembered.toSorted(), [vmUuid(1), vmUuid(2), vmUuid(3)]);
    for (const n of [1, 2, 3, 4]) assert.deepEqual(await vmState(master, vmUuid(n)), { power: "Running", on: XCP1 });
    assert.equal((await vmState(master, vmUuid(5))).power, "Halted");
    assert.deepEqual([...(await master.localDomains())].toSorted(), [1, 2, 3, 4].map(vmUuid));
    assert.deepEqual(report.alarms, []);
  });

  test("a dead master's VMs start on the promoted supporter, although its database is old", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1), vm(2), vm(3)] });
    await startOn(master, master, vmUuid(1), vmUuid(3));
    await startOn(master, supporter, vmUuid(2));
    await run(master, "pool.sync_database");
    // After the last copy: one stops on purpose, one is moved in the knowledge of heartbeats only.
    await run(master, "VM.hard_shutdown", await refOf(master, "VM", vmUuid(3)));
    await master.powerOff();
    value(await becomeMaster(supporter.context, XCP2, times));
    const lastSeen = new Map([
      [vmUuid(1), XCP1],
      [vmUuid(2), XCP2],
      [vmUuid(3), null],
      [vmUuid(9), XCP1],
    ]);
    const report = value(await recover(supporter, XCP1, { lastSeen }));
    assert.deepEqual(outcomes(report), { vm1: "started" });
    assert.deepEqual(
      report.alarms.map((one) => one.uuid),
      [vmUuid(9)],
    );
    assert.deepEqual(await vmState(supporter, vmUuid(1)), { power: "Running", on: XCP2 });
    assert.deepEqual([...(await supporter.localDomains())].toSorted(), [vmUuid(1), vmUuid(2)]);
    assert.equal((await vmState(supporter, vmUuid(3))).power, "Halted");
  });

  test("a VM that the old database calls halted is started when heartbeats saw it run on the dead host", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1)] });
    await run(master, "pool.sync_database");
    await startOn(master, master, vmUuid(1));
    await master.powerOff();
    value(await becomeMaster(supporter.context, XCP2, times));
    const report = value(await recover(supporter, XCP1, { lastSeen: new Map([[vmUuid(1), XCP1]]) }));
    assert.deepEqual(outcomes(report), { vm1: "started" });
  });

  test("nothing is started when the host turns out to be alive", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1)] });
    await startOn(master, supporter, vmUuid(1));
    const result = await recover(master, XCP2);
    assert.ok(!result.ok && result.error.kind === "refused");
    assert.match(result.error.reason, /was not fenced/);
    assert.deepEqual(await vmState(master, vmUuid(1)), { power: "Running", on: XCP2 });
    assert.equal((await master.localDomains()).size, 0);
  });

  test("nothing is declared or started without permission, and no further VM after it is withdrawn", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1, { order: 1 }), vm(2, { order: 2 })] });
    await startOn(master, supporter, vmUuid(1), vmUuid(2));
    await supporter.powerOff();
    master.permission = () => false;
    const denied = await recover(master, XCP2);
    assert.deepEqual(denied, { ok: false, error: { kind: "not-permitted", before: "declare xcp2 dead" } });
    assert.equal((await vmState(master, vmUuid(1))).on, XCP2);

    master.permission = () => !master.steps.includes("start vm1");
    const cut = await recover(master, XCP2);
    assert.deepEqual(cut, { ok: false, error: { kind: "not-permitted", before: "start vm2" } });
    assert.equal((await vmState(master, vmUuid(2))).power, "Halted");

    // The database has forgotten where they ran; what was remembered brings them back.
    master.permission = () => true;
    const lastSeen = new Map([
      [vmUuid(1), XCP2],
      [vmUuid(2), XCP2],
    ]);
    const again = value(await recover(master, XCP2, { lastSeen }));
    assert.deepEqual(outcomes(again), { vm2: "started" });
    assert.deepEqual(
      again.left.map((one) => one.verdict.because),
      ["it runs on this host already"],
    );
  });

  test("a VM is never started while the hypervisor still shows its domain, or cannot be asked", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1), vm(2)] });
    await startOn(master, supporter, vmUuid(1), vmUuid(2));
    await supporter.powerOff();
    const report = value(await recover(master, XCP2, { localDomains: async () => null }));
    assert.deepEqual(outcomes(report), {});
    assert.deepEqual(report.alarms.map((one) => one.name).toSorted(), ["vm1", "vm2"]);
    assert.equal((await master.localDomains()).size, 0);
  });

  test("what does not fit into memory is named, and the smaller ones start", async (t) => {
    const vms = [vm(1, { order: 1 }, GIB), vm(2, { order: 2 }, 6 * GIB), vm(3, { order: 3 }, GIB)];
    const { master, supporter } = await startSimPool(t, { vms, memoryBytes: 8 * GIB });
    await startOn(master, supporter, vmUuid(1));
    await startOn(master, supporter, vmUuid(3));
    const lastSeen = new Map([[vmUuid(2), XCP2]]);
    await supporter.powerOff();
    const report = value(await recover(master, XCP2, { lastSeen }));
    assert.deepEqual(outcomes(report), { vm1: "started", vm2: "does-not-fit", vm3: "started" });
    const refused = report.starts.find((one) => one.name === "vm2");
    assert.match(refused?.outcome.kind === "does-not-fit" ? refused.outcome.because : "", /needs 61\d\d MiB, free are/);
  });

  test("storage that comes back late delays the starts, with further attempts, and then they work", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1)] });
    await startOn(master, supporter, vmUuid(1));
    await supporter.powerOff();
    const pbds = await run(
      master,
      "PBD.get_all_records_where",
      `field "host" = "${await refOf(master, "host", XCP1)}"`,
    );
    for (const ref of Object.keys(pbds ?? {})) await run(master, "PBD.unplug", ref);
    master.storage.broken = "the portal is not there";
    const recovering = recover(master, XCP2);
    await eventually(async () => master.steps.some((step) => /did not start yet/.test(step)));
    master.storage.broken = null;
    const report = value(await recovering);
    assert.deepEqual(outcomes(report), { vm1: "started" });
    assert.ok((report.starts[0]?.attempts ?? 0) > 1);
  });

  test("attempts end, and the reason of the last one is in the report", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1)] });
    await startOn(master, supporter, vmUuid(1));
    await supporter.powerOff();
    const pbds = await run(
      master,
      "PBD.get_all_records_where",
      `field "host" = "${await refOf(master, "host", XCP1)}"`,
    );
    for (const ref of Object.keys(pbds ?? {})) await run(master, "PBD.unplug", ref);
    master.storage.broken = "the portal is not there";
    const report = value(await recover(master, XCP2));
    assert.equal(report.starts[0]?.attempts, QUICK_RECOVERY.start.backOffMs.length + 1);
    assert.match(JSON.stringify(report.starts[0]?.outcome), /VM_REQUIRES_SR|SR_BACKEND_FAILURE/);
    assert.equal((await vmState(master, vmUuid(1))).power, "Halted");
  });

  test("only the dead host's lock is cleared from a disk", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1)] });
    await startOn(master, supporter, vmUuid(1));
    await supporter.powerOff();
    const dead = await refOf(master, "host", XCP2);
    const [vdi] = Object.keys((await run(master, "VDI.get_all_records")) ?? {});
    assert.ok(vdi !== undefined);
    await run(master, "host.declare_dead", dead);
    // What a hook of declare_dead that failed leaves behind.
    await run(master, "VDI.add_to_sm_config", vdi, `host_${dead}`, "RW");
    await run(master, "VDI.add_to_sm_config", vdi, "host_OpaqueRef:other", "RO");
    const vbds = new Set(Object.keys((await run(master, "VBD.get_all_records")) ?? {}));
    const report = value(await clearDeadLocks(master.context, await sessionOf(master), dead, vbds));
    assert.equal(report.cleared.length, 1);
    assert.deepEqual(
      report.held.map((one) => one.key),
      ["host_OpaqueRef:other"],
    );
    assert.deepEqual(Object.keys((await run(master, "VDI.get_sm_config", vdi)) ?? {}), ["host_OpaqueRef:other"]);
    await run(master, "VDI.remove_from_sm_config", vdi, "host_OpaqueRef:other");
    const recovered = value(await recover(master, XCP2, { lastSeen: new Map([[vmUuid(1), XCP2]]) }));
    assert.deepEqual(outcomes(recovered), { vm1: "started" });
  });

  test("it is refused on a host that is not the master, is disabled, or is the dead one itself", async (t) => {
    const { master, supporter } = await startSimPool(t);
    const reasonOf = async (host: SimHost, dead: string) => {
      const result = await recover(host, dead);
      return !result.ok && result.error.kind === "refused" ? result.error.reason : "no refusal";
    };
    assert.match(await reasonOf(supporter, XCP1), /not the pool's master/);
    assert.match(await reasonOf(master, XCP1), /the dead host is this host/);
    await run(master, "host.disable", await refOf(master, "host", XCP1));
    assert.match(await reasonOf(master, XCP2), /xcp1 is disabled/);
  });
});

describe("starting VMs that a living peer gave up", { timeout: 60_000 }, () => {
  test("waits until xapi knows that they are gone there, and starts only the named ones", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1), vm(2)] });
    await startOn(master, supporter, vmUuid(1), vmUuid(2));
    const { ownUuid, localDomains } = { ownUuid: XCP1, localDomains: () => master.localDomains() };
    const order = { ownUuid, localDomains, vmUuids: [vmUuid(1)] };
    const starting = startConfirmedVms(master.context, order, QUICK_RECOVERY.start);
    await eventually(async () => master.steps.some((step) => /did not start yet/.test(step)));
    assert.deepEqual(startSteps(master), []);
    supporter.hypervisor.exitByItself(vmUuid(1));
    assert.deepEqual(
      value(await starting).starts.map((one) => [one.name, one.outcome.kind]),
      [["vm1", "started"]],
    );
    assert.deepEqual(await vmState(master, vmUuid(1)), { power: "Running", on: XCP1 });
    assert.deepEqual(await vmState(master, vmUuid(2)), { power: "Running", on: XCP2 });
  });

  test("starts nothing that xapi still calls running there", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1)] });
    await startOn(master, supporter, vmUuid(1));
    const order = { ownUuid: XCP1, localDomains: () => master.localDomains(), vmUuids: [vmUuid(1)] };
    const report = value(await startConfirmedVms(master.context, order, { ...QUICK_RECOVERY.start, backOffMs: [20] }));
    assert.match(JSON.stringify(report.starts[0]?.outcome), /runs on another host/);
    assert.deepEqual(await vmState(master, vmUuid(1)), { power: "Running", on: XCP2 });
  });
});
