import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { startWanted, WANTED_TIMES, type WantedStart } from "../../../src/act/pool/start-wanted.ts";
import { stopCauses } from "../../../src/act/pool/stop-cause.ts";
import { refOf, run, SR, startSimPool, value, vmState, vmUuid, XCP1, XCP2, type SimHost } from "./sim-pool.ts";

const times = { ...WANTED_TIMES, startMs: 5_000, taskEveryMs: 20, plugMs: 3_000 };
const vm = (n: number) => ({ uuid: vmUuid(n), name: `vm${n}`, pvDrivers: true, disks: [{ sr: SR }] });

async function start(host: SimHost, groups: readonly (readonly WantedStart[])[], domains: ReadonlySet<string> | null) {
  const ends: [string, string | null][] = [];
  const order = { groups, ownUuid: host.uuid, domains: async () => domains };
  const done = await startWanted(
    host.context,
    { ...order, onEnd: (uuid, failure) => void ends.push([uuid, failure]) },
    times,
  );
  return { done, ends };
}

describe("starting VMs that ought to run", { timeout: 60_000 }, () => {
  test("puts each on the host it was meant for, group after group, or where xapi wants it", async (t) => {
    const { master } = await startSimPool(t, { vms: [vm(1), vm(2), vm(3)] });
    const groups = [
      [{ vmUuid: vmUuid(2), hostUuid: XCP2 }],
      [{ vmUuid: vmUuid(1), hostUuid: XCP1 }],
      [{ vmUuid: vmUuid(3), hostUuid: null }],
    ];
    const { done, ends } = await start(master, groups, new Set());
    assert.equal(value(done), "ended");
    assert.deepEqual(
      ends,
      [2, 1, 3].map((n) => [vmUuid(n), null]),
    );
    assert.deepEqual(await vmState(master, vmUuid(1)), { power: "Running", on: XCP1 });
    assert.deepEqual(await vmState(master, vmUuid(2)), { power: "Running", on: XCP2 });
    assert.equal((await vmState(master, vmUuid(3))).power, "Running");
  });

  test("never starts one whose domain is still seen, nor any while the domains are not known", async (t) => {
    const { master } = await startSimPool(t, { vms: [vm(1)] });
    const groups = [[{ vmUuid: vmUuid(1), hostUuid: XCP2 }]];
    const seen = await start(master, groups, new Set([vmUuid(1)]));
    assert.match(seen.ends[0]?.[1] ?? "", /a domain of it exists/);
    const unknown = await start(master, groups, null);
    assert.match(unknown.ends[0]?.[1] ?? "", /domains are unknown/);
    assert.equal((await vmState(master, vmUuid(1))).power, "Halted");
  });

  test("ends without a further start when the permission is withdrawn, and reports what is gone", async (t) => {
    const { master } = await startSimPool(t, { vms: [vm(1), vm(2)] });
    const gone = await start(master, [[{ vmUuid: vmUuid(9), hostUuid: XCP1 }]], new Set());
    assert.match(gone.ends[0]?.[1] ?? "", /not in the pool database any more/);
    master.permission = () => !master.steps.includes("start vm1");
    const groups = [[{ vmUuid: vmUuid(1), hostUuid: XCP1 }], [{ vmUuid: vmUuid(2), hostUuid: XCP1 }]];
    const { done, ends } = await start(master, groups, new Set());
    assert.ok(!done.ok && done.error.kind === "not-permitted");
    assert.deepEqual(ends, [[vmUuid(1), null]]);
    assert.equal((await vmState(master, vmUuid(2))).power, "Halted");
  });
});

describe("why a VM stopped", { timeout: 60_000 }, () => {
  test("is told by xapi's messages: asked for or by itself; the newest word counts", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms: [vm(1), vm(2), vm(3), vm(4)] });
    for (const n of [1, 2, 3, 4]) await run(master, "VM.start", await refOf(master, "VM", vmUuid(n)), false, false);
    const sinceWallMs = Date.now();
    await run(master, "VM.clean_shutdown", await refOf(master, "VM", vmUuid(1)));
    await run(master, "VM.hard_shutdown", await refOf(master, "VM", vmUuid(2)));
    // Stopped on purpose, started again, and then it crashed.
    await run(master, "VM.hard_shutdown", await refOf(master, "VM", vmUuid(4)));
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await run(master, "VM.start", await refOf(master, "VM", vmUuid(4)), false, false);
    const questions = [1, 2, 3, 4].map((n) => ({ uuid: vmUuid(n), sinceWallMs }));
    for (const host of [master, supporter]) {
      const found = value(await stopCauses(host.context, questions));
      assert.deepEqual(
        [1, 2, 3, 4].map((n) => found.get(vmUuid(n))),
        ["on-purpose", "on-purpose", "by-itself", "by-itself"],
      );
    }
  });

  test("costs no call when nothing is asked", async (t) => {
    const { master } = await startSimPool(t);
    const gate = { ...master.context.gate, openPool: () => Promise.reject(new Error("a call")) };
    assert.equal(value(await stopCauses({ ...master.context, gate }, [])).size, 0);
  });
});
