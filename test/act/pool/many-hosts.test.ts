// A pool of four hosts: after the loss of its master and of a supporter at once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { BECOME_MASTER_TIMES, becomeMaster } from "../../../src/act/pool/become-master.ts";
import { recoverPeerVms } from "../../../src/act/pool/recover-vms.ts";
import { RECOVER_TIMES, recoverSupporters } from "../../../src/act/pool/recover-supporters.ts";
import { everyVm } from "../../core/decide/vms/vm.ts";
import { addressOf } from "../../xapi-sim/addresses.ts";
import {
  GIB,
  hostUuid,
  QUICK_RECOVERY,
  refOf,
  run,
  SR,
  startSimPool,
  value,
  vmState,
  vmUuid,
  type SimHost,
} from "./sim-pool.ts";

const promote = { ...BECOME_MASTER_TIMES, masterProbeMs: 200, everyMs: 50, enableMs: 5_000, restartMs: 10_000 };
const rejoin = { ...RECOVER_TIMES, probeMs: 1_000, everyMs: 50, settleMs: 15_000 };

const vm = (n: number) => ({ uuid: vmUuid(n), name: `vm${n}`, memoryBytes: GIB, disks: [{ sr: SR }] });

describe("a pool of four hosts", { timeout: 120_000 }, () => {
  test("every supporter that is left follows the new master, and the lost hosts' VMs spread over them", async (t) => {
    const vms = [1, 2, 3, 4, 5, 6].map(vm);
    const { hosts, master } = await startSimPool(t, { hosts: 4, vms });
    const [, second, third, fourth] = hosts;
    assert.ok(second !== undefined && third !== undefined && fourth !== undefined);
    const startOn = async (n: number, host: SimHost): Promise<void> => {
      const target = await refOf(master, "host", host.uuid);
      await run(master, "VM.start_on", await refOf(master, "VM", vmUuid(n)), target, false, false);
    };
    for (const n of [1, 2]) await startOn(n, master);
    for (const n of [3, 4]) await startOn(n, fourth);
    await startOn(5, second);
    await run(master, "pool.sync_database");
    await master.powerOff();
    await fourth.powerOff();

    value(await becomeMaster(second.context, second.uuid, promote));
    const joining = { ownUuid: second.uuid, peerUuids: [third.uuid] };
    assert.equal(value(await recoverSupporters(second.context, joining, rejoin)), "changed");
    const role = await third.context.node.role();
    assert.equal(role.ok && role.value.kind === "supporter" ? role.value.master : "", addressOf(1));

    // Its toolstack restarted to follow; a host that is not enabled yet is given nothing.
    const thirdRef = await refOf(second, "host", third.uuid);
    while ((await run(second, "host.get_enabled", thirdRef)) !== true) await setTimeout(50);

    const recover = async (deadUuid: string): Promise<readonly string[]> => {
      const report = await recoverPeerVms(
        second.context,
        {
          deadUuid,
          ownUuid: second.uuid,
          policy: everyVm,
          lastSeen: new Map(),
          localDomains: () => second.localDomains(),
          survivors: [
            { uuid: second.uuid, domains: () => null },
            { uuid: third.uuid, domains: () => new Set() },
          ],
          remember: async () => undefined,
        },
        QUICK_RECOVERY,
      );
      return value(report).starts.map((one) => `${one.name} ${one.outcome.kind}`);
    };
    // Both at the same time, as the pool's decision asks for it.
    const starts = await Promise.all([recover(master.uuid), recover(fourth.uuid)]);
    assert.deepEqual(starts.flat().toSorted(), ["vm1 started", "vm2 started", "vm3 started", "vm4 started"]);
    const places = await Promise.all([1, 2, 3, 4].map(async (n) => (await vmState(second, vmUuid(n))).on));
    assert.deepEqual(new Set(places), new Set([second.uuid, third.uuid]));
    assert.deepEqual(await vmState(second, vmUuid(5)), { power: "Running", on: second.uuid });
    assert.deepEqual(await vmState(second, vmUuid(6)), { power: "Halted", on: null });
  });

  test("a survivor whose domains are not known is given nothing", async (t) => {
    const { hosts, master } = await startSimPool(t, { hosts: 3, vms: [vm(1)] });
    const [, second, third] = hosts;
    assert.ok(second !== undefined && third !== undefined);
    const target = await refOf(master, "host", hostUuid(3));
    await run(master, "VM.start_on", await refOf(master, "VM", vmUuid(1)), target, false, false);
    await third.powerOff();
    const report = await recoverPeerVms(
      master.context,
      {
        deadUuid: third.uuid,
        ownUuid: master.uuid,
        policy: everyVm,
        lastSeen: new Map(),
        localDomains: () => master.localDomains(),
        survivors: [{ uuid: second.uuid, domains: () => null }],
        remember: async () => undefined,
      },
      { ...QUICK_RECOVERY, start: { ...QUICK_RECOVERY.start, backOffMs: [50] } },
    );
    assert.deepEqual(
      value(report).starts.map((one) => one.outcome.kind),
      ["retry"],
    );
    assert.equal((await vmState(master, vmUuid(1))).power, "Halted");
  });
});
