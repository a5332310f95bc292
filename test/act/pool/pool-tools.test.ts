import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BECOME_MASTER_TIMES, becomeMaster } from "../../../src/act/pool/become-master.ts";
import { raisePoolAlert } from "../../../src/act/pool/alert.ts";
import { disableHost, enableHost, evacuateHost, MAINTENANCE_TIMES } from "../../../src/act/pool/maintenance.ts";
import { ownKeys, writePoolConfig } from "../../../src/act/pool/pool-config.ts";
import { refOf, run, SR, startSimPool, value, vmState, vmUuid, XCP1, XCP2, type SimHost } from "./sim-pool.ts";

const times = { ...MAINTENANCE_TIMES, everyMs: 20, settleMs: 3_000, evacuateMs: 10_000 };

describe("maintenance of a host", { timeout: 60_000 }, () => {
  test("disables and enables, looks first, and asks for permission", async (t) => {
    const { master } = await startSimPool(t);
    assert.equal(value(await disableHost(master.context, XCP2, times)), "changed");
    assert.equal(await run(master, "host.get_enabled", await refOf(master, "host", XCP2)), false);
    assert.equal(value(await disableHost(master.context, XCP2, times)), "already");
    master.permission = () => false;
    const denied = await enableHost(master.context, XCP2, times);
    assert.ok(!denied.ok && denied.error.kind === "not-permitted");
    master.permission = () => true;
    assert.equal(value(await enableHost(master.context, XCP2, times)), "changed");
    assert.equal(await run(master, "host.get_enabled", await refOf(master, "host", XCP2)), true);
  });

  test("says that a host is not in the pool", async (t) => {
    const { master } = await startSimPool(t);
    const result = await disableHost(master.context, "nope", times);
    assert.deepEqual(result, {
      ok: false,
      error: { kind: "refused", reason: "Cannot find host nope in the pool database" },
    });
  });

  test("evacuates what can move and names what cannot", async (t) => {
    const vms = [
      { uuid: vmUuid(1), name: "moves", pvDrivers: true, disks: [{ sr: SR }] },
      { uuid: vmUuid(2), name: "stays", disks: [{ sr: SR }] },
    ];
    const { master } = await startSimPool(t, { vms });
    const host = await refOf(master, "host", XCP1);
    await run(master, "VM.start_on", await refOf(master, "VM", vmUuid(1)), host, false, false);
    value(await disableHost(master.context, XCP1, times));
    assert.deepEqual(value(await evacuateHost(master.context, XCP1, times)), { blocked: [], left: [] });
    assert.deepEqual(await vmState(master, vmUuid(1)), { power: "Running", on: XCP2 });
    value(await enableHost(master.context, XCP1, times));
    await run(master, "VM.start_on", await refOf(master, "VM", vmUuid(2)), host, false, false);
    value(await disableHost(master.context, XCP1, times));
    const stuck = value(await evacuateHost(master.context, XCP1, times));
    assert.deepEqual(stuck.left, [{ uuid: vmUuid(2), name: "stays" }]);
    assert.match(stuck.blocked[0]?.because ?? "", /VM_LACKS_FEATURE/);
    assert.deepEqual(await vmState(master, vmUuid(2)), { power: "Running", on: XCP1 });
  });
});

/** As this host's xapi shows them. */
async function parametersIn(host: SimHost): Promise<Readonly<Record<string, string>>> {
  const [pool = ""] = Object.keys((await run(host, "pool.get_all_records")) ?? {});
  return ownKeys((await run(host, "pool.get_other_config", pool)) as Record<string, string>);
}

describe("parameters in the pool", { timeout: 60_000 }, () => {
  test("are written, changed and removed one by one, and other keys are left alone", async (t) => {
    const { master, supporter } = await startSimPool(t);
    const [pool] = Object.keys((await run(master, "pool.get_all_records")) ?? {});
    assert.ok(pool !== undefined);
    await run(master, "pool.add_to_other_config", pool, "XenCenter.CustomFields.x", "kept");
    assert.deepEqual(value(await writePoolConfig(master.context, { XE_TIMEOUT: "20", OP_MODE: "2" })), {
      copied: true,
    });
    assert.deepEqual(await parametersIn(supporter), { XE_TIMEOUT: "20", OP_MODE: "2" });
    value(await writePoolConfig(supporter.context, { XE_TIMEOUT: "30", OP_MODE: null, NONE: null }));
    assert.deepEqual(await parametersIn(master), { XE_TIMEOUT: "30" });
    const other = await run(master, "pool.get_other_config", pool);
    assert.equal((other as Record<string, string>)["XenCenter.CustomFields.x"], "kept");
  });

  test("survive the loss of the master right after they were written", async (t) => {
    const { master, supporter } = await startSimPool(t, { timings: { dbPushMs: 600_000 } });
    value(await writePoolConfig(master.context, { XE_TIMEOUT: "20" }));
    await master.powerOff();
    value(await becomeMaster(supporter.context, XCP2, { ...BECOME_MASTER_TIMES, masterProbeMs: 100, everyMs: 50 }));
    assert.deepEqual(await parametersIn(supporter), { XE_TIMEOUT: "20" });
  });
});

describe("an alert in xapi", { timeout: 60_000 }, () => {
  test("is created with its text made valid, and a wrong subject is an error of xapi", async (t) => {
    const { master } = await startSimPool(t);
    const about = { class: "Host", uuid: XCP2 } as const;
    const alert = { name: "TANDEM_PEER_LOST", priority: 1, about, body: "xcp2 \ud800 gone" } as const;
    assert.equal(value(await raisePoolAlert(master.context, alert)), "raised");
    const messages = JSON.stringify(await run(master, "message.get_all_records"));
    assert.match(messages, /TANDEM_PEER_LOST/);
    assert.match(messages, /xcp2 \ufffd gone/);
    const wrong = await raisePoolAlert(master.context, { ...alert, about: { class: "Pool", uuid: "nope" } });
    assert.ok(!wrong.ok && wrong.error.kind === "xapi" && wrong.error.error.kind === "api");
    assert.equal(wrong.error.error.code, "UUID_INVALID");
  });
});
