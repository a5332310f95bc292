import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FORGET_TIMES, forgetHost } from "../../../src/act/pool/forget-host.ts";
import { DECLARE_TIMES } from "../../../src/act/pool/declare-dead.ts";
import {
  eventually,
  refOf,
  run,
  SR,
  startSimPool,
  value,
  vmState,
  vmUuid,
  XCP1,
  XCP2,
  type SimHost,
} from "./sim-pool.ts";

const times = { ...FORGET_TIMES, declare: { ...DECLARE_TIMES, callMs: 5_000, perProbeMs: 1_000, backOffMs: 50 } };
const order = { hostUuid: XCP2, ownUuid: XCP1 };
const vms = [{ uuid: vmUuid(1), name: "vm1", disks: [{ sr: SR }] }];

async function hosts(master: SimHost): Promise<number> {
  return Object.keys((await run(master, "host.get_all_records")) ?? {}).length;
}

async function notLive(master: SimHost, ref: string): Promise<boolean> {
  const metrics = await run(master, "host.get_metrics", ref);
  return typeof metrics === "string" && (await run(master, "host_metrics.get_live", metrics)) === false;
}

describe("forgetting a host that will not come back", { timeout: 60_000 }, () => {
  test("cleans up its VMs, its connections and its local storage; shared storage stays", async (t) => {
    const local = { uuid: vmUuid(99), name: "local", type: "lvm", shared: false, hosts: [XCP2] };
    const { master, supporter } = await startSimPool(t, { vms, srs: [local], timings: { assumedDeadMs: 600 } });
    const ref = await refOf(master, "host", XCP2);
    await run(master, "VM.start_on", await refOf(master, "VM", vmUuid(1)), ref, false, false);
    await supporter.powerOff();
    await eventually(() => notLive(master, ref));
    const report = value(await forgetHost(master.context, order, times));
    assert.equal(report.name, "xcp2");
    assert.deepEqual([report.forgottenSrs, report.leftovers], [[vmUuid(99)], []]);
    assert.equal(await hosts(master), 1);
    assert.equal((await vmState(master, vmUuid(1))).power, "Halted");
    const pbds = Object.values((await run(master, "PBD.get_all_records")) ?? {});
    assert.equal(
      pbds.some((pbd) => (pbd as { host: string }).host === ref),
      false,
    );
    const srs = Object.values((await run(master, "SR.get_all_records")) ?? {}).map(
      (sr) => (sr as { uuid: string }).uuid,
    );
    assert.deepEqual(srs, [SR]);
  });

  test("is refused for a host that answers, for one that XAPI still calls live, and for this host", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms });
    const alive = await forgetHost(master.context, order, times);
    assert.ok(!alive.ok && alive.error.kind === "refused");
    assert.match(alive.error.reason, /its xapi answers/);
    await supporter.powerOff();
    const early = await forgetHost(master.context, order, times);
    assert.ok(!early.ok && early.error.kind === "refused");
    assert.match(early.error.reason, /live for up to ten minutes/);
    assert.equal(await hosts(master), 2);
    const self = await forgetHost(master.context, { hostUuid: XCP1, ownUuid: XCP1 }, times);
    assert.ok(!self.ok && self.error.kind === "refused");
  });
});
