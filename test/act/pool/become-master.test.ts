import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BECOME_MASTER_TIMES, becomeMaster } from "../../../src/act/pool/become-master.ts";
import { eventually, SR, startSimPool, value, XCP2, run, refOf } from "./sim-pool.ts";
import { FIRST } from "../../xapi-sim/addresses.ts";

const times = {
  ...BECOME_MASTER_TIMES,
  masterProbeMs: 200,
  everyMs: 50,
  enableMs: 5_000,
  restartMs: 10_000,
  plugMs: 3_000,
};

describe("taking the master role", { timeout: 60_000 }, () => {
  test("works on a supporter whose master has no power, and waits until VMs could be started", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await master.powerOff();
    const result = value(await becomeMaster(supporter.context, XCP2, times));
    assert.deepEqual(result, {
      transition: "done",
      enabled: true,
      complete: true,
      storage: { attached: [SR], failed: [] },
    });
    const pool = await run(supporter, "pool.get_all");
    assert.ok(Array.isArray(pool) && typeof pool[0] === "string");
    assert.equal(await run(supporter, "pool.get_master", pool[0]), await refOf(supporter, "host", XCP2));
    assert.deepEqual(await supporter.context.node.role().then((role) => role.ok && role.value.kind), "master");
  });

  test("a second time only looks", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await master.powerOff();
    value(await becomeMaster(supporter.context, XCP2, times));
    supporter.permission = () => false;
    assert.equal(value(await becomeMaster(supporter.context, XCP2, times)).transition, "already");
  });

  test("is refused while the old master's xapi answers, and changes nothing", async (t) => {
    const { master, supporter } = await startSimPool(t);
    const result = await becomeMaster(supporter.context, XCP2, times);
    assert.ok(!result.ok && result.error.kind === "refused");
    assert.match(result.error.reason, /still answers/);
    const role = await supporter.context.node.role();
    assert.ok(role.ok && role.value.kind === "supporter");
    await eventually(async () => (await run(master, "host.get_all")) !== null);
  });

  test("ends at once when xapi finds the old master at its start and steps back", async (t) => {
    const { supporter } = await startSimPool(t);
    const result = await becomeMaster(supporter.context, XCP2, { ...times, masterProbeMs: 0 });
    assert.ok(!result.ok && result.error.kind === "refused");
    assert.ok(result.error.reason.endsWith(`stepped back, ${FIRST} answers as master`), result.error.reason);
  });

  test("is not done when the permission was withdrawn in the meantime", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await master.powerOff();
    supporter.permission = () => false;
    const result = await becomeMaster(supporter.context, XCP2, times);
    assert.deepEqual(result, { ok: false, error: { kind: "not-permitted", before: "take the master role" } });
    const role = await supporter.context.node.role();
    assert.ok(role.ok && role.value.kind === "supporter");
  });

  test("does not take the cookie of the xapi of before for the end of this start", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await master.powerOff();
    const { context } = supporter;
    const stale = { ...context.node, initCompleteAtMs: async () => ({ ok: true, value: 1 }) as const };
    const result = await becomeMaster({ ...context, node: stale }, XCP2, { ...times, enableMs: 500 });
    assert.equal(value(result).complete, false);
  });

  test("is left to XAPI's own HA when that is enabled", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await master.powerOff();
    const { context } = supporter;
    const armed: typeof context.records.pool = async (caller, ask) => {
      const pool = await context.records.pool(caller, ask);
      return pool.ok ? { ok: true, value: { ...pool.value, haEnabled: true } } : pool;
    };
    const records = { ...context.records, pool: armed };
    const result = await becomeMaster({ ...context, records }, XCP2, { ...times, restartMs: 1_500 });
    assert.ok(!result.ok && result.error.kind === "refused");
    assert.match(result.error.reason, /XAPI's own HA is enabled/);
  });

  test("reports storage that does not plug, and the role all the same", async (t) => {
    const { master, supporter } = await startSimPool(t);
    await master.powerOff();
    supporter.storage.broken = "the portal is not there";
    const result = value(await becomeMaster(supporter.context, XCP2, times));
    assert.deepEqual(result.storage.attached, []);
    assert.equal(result.storage.failed[0]?.sr, SR);
  });
});
