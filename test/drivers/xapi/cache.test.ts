import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { Observation } from "../../../src/core/model/observation.ts";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { startPoolCache, type PoolCacheOptions } from "../../../src/drivers/xapi/cache.ts";
import type { PoolView, XapiGate } from "../../../src/drivers/xapi/port.ts";
import { createXapiGate } from "../../../src/drivers/xapi/session.ts";
import { BECOME_MASTER_TIMES, becomeMaster } from "../../../src/act/pool/become-master.ts";
import { eventually, refOf, run, SR, startSimPool, value, vmUuid, XCP1, XCP2 } from "../../act/pool/sim-pool.ts";
import { answer, answerError, startScriptedServer, type Script } from "./scripted-server.ts";

const quick = { idleMs: 300, graceMs: 200, loginDeadlineMs: 200, gapMs: 10, backOffMs: [20, 40] };

function follow(t: TestContext, gate: XapiGate, change: Partial<PoolCacheOptions> = {}) {
  const changes: Observation<PoolView>[] = [];
  const options = { gate, clock: systemClock(), onChange: (view: Observation<PoolView>) => void changes.push(view) };
  const cache = startPoolCache({ ...options, ...quick, ...change });
  t.after(() => cache.stop());
  const view = (): PoolView | null => {
    const seen = cache.view();
    return seen.kind === "known" ? seen.value : null;
  };
  const vm = (uuid: string) => view()?.vms.find((one) => one.uuid === uuid);
  return { cache, changes, view, vm };
}

describe("the view of a simulated pool", { timeout: 60_000 }, () => {
  const vms = [
    { uuid: vmUuid(1), name: "vm1", disks: [{ sr: SR }] },
    { uuid: vmUuid(2), name: "template", fields: { is_a_template: true } },
  ];

  test("holds hosts, storage and real VMs, and follows changes without being asked", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms });
    const { cache, view, vm, changes } = follow(t, supporter.gate);
    await eventually(async () => view() !== null);
    const first = view();
    assert.deepEqual(first?.hosts.map((host) => [host.uuid, host.live, host.enabled]).toSorted(), [
      [XCP1, true, true],
      [XCP2, true, true],
    ]);
    assert.deepEqual(
      first.vms.map((one) => one.name),
      ["vm1"],
    );
    assert.equal(first.haEnabled, false);
    assert.equal(first.pbds.length, 2);
    assert.equal(first.srs[0]?.uuid, SR);
    assert.equal("disks" in (first.vms[0] ?? {}), false);
    const host = await refOf(master, "host", XCP2);
    await run(master, "VM.start_on", await refOf(master, "VM", vmUuid(1)), host, false, false);
    await eventually(async () => vm(vmUuid(1))?.powerState === "Running");
    assert.equal(vm(vmUuid(1))?.residentOn, host);
    supporter.hypervisor.exitByItself(vmUuid(1));
    await eventually(async () => vm(vmUuid(1))?.powerState === "Halted");
    await run(master, "VM.destroy", await refOf(master, "VM", vmUuid(1)));
    await eventually(async () => vm(vmUuid(1)) === undefined);
    assert.ok(changes.length >= 4);
    assert.equal(cache.view().kind, "known");
  });

  test("becomes unknown on a supporter whose master dies, without a busy loop, and known again after promotion", async (t) => {
    const { master, supporter } = await startSimPool(t, { vms });
    const counted = countingGate(supporter.gate);
    const { cache, view } = follow(t, counted.gate);
    await eventually(async () => view() !== null);
    await master.powerOff();
    await eventually(async () => cache.view().kind === "unknown");
    const [before, since] = [counted.logins(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    // Each try hangs for 200 ms and is followed by a wait of 40 ms at most; the first wait is 20 ms.
    const most = (performance.now() - since) / 220 + 2;
    assert.ok(counted.logins() - before <= most, `${counted.logins() - before} logins, expected at most ${most}`);
    const seen = cache.view();
    assert.match(seen.kind === "unknown" ? seen.reason : "", /no answer to .* within/);
    const times = { ...BECOME_MASTER_TIMES, masterProbeMs: 100, everyMs: 50 };
    value(await becomeMaster(supporter.context, XCP2, times));
    const own = await refOf(supporter, "host", XCP2);
    await eventually(async () => view()?.masterRef === own);
    assert.equal(view()?.hosts.find((host) => host.uuid === XCP1)?.live, false);
  });

  test("survives a restart of xapi", async (t) => {
    const { master } = await startSimPool(t, { vms });
    const { cache, view } = follow(t, master.gate);
    await eventually(async () => view() !== null);
    await master.xapi.restart();
    await eventually(async () => cache.view().kind === "unknown");
    await eventually(async () => view()?.vms.length === 1);
  });

  test("is read again, whole, when asked for", async (t) => {
    const { master } = await startSimPool(t, { vms });
    const counted = countingGate(master.gate);
    const { cache, view } = follow(t, counted.gate, { idleMs: 60_000 });
    await eventually(async () => view() !== null);
    cache.restart();
    await eventually(async () => counted.logins() === 2 && view() !== null);
  });

  test("idle costs one blocked call and nothing else", async (t) => {
    const { master } = await startSimPool(t, { vms, timings: { tickleMs: 60_000, gcPassMs: 60_000 } });
    const counted = countingGate(master.gate);
    const { view } = follow(t, counted.gate, { idleMs: 5_000 });
    await eventually(async () => view() !== null);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = counted.calls();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.ok(counted.calls() - before <= 1, `${counted.calls() - before} calls while idle`);
    assert.equal(counted.logins(), 1);
  });
});

function countingGate(inner: XapiGate) {
  let logins = 0;
  let calls = 0;
  const gate: XapiGate = {
    ...inner,
    async openPool(deadlineMs, signal) {
      logins += 1;
      const session = await inner.openPool(deadlineMs, signal);
      if (!session.ok) return session;
      const call: typeof session.value.call = (...args) => {
        calls += 1;
        return session.value.call(...args);
      };
      return { ok: true, value: { ...session.value, call } };
    },
  };
  return { gate, logins: () => logins, calls: () => calls };
}

describe("the view when xapi misbehaves", { timeout: 30_000 }, () => {
  const pool = { uuid: "p", master: "OpaqueRef:h", ha_enabled: false, other_config: {} };
  const host = { uuid: "h", name_label: "xcp1", address: "a", enabled: true, other_config: {}, metrics: "OpaqueRef:m" };
  const metrics = { live: true, memory_total: 1, memory_free: 1 };
  const add = (cls: string, ref: string, snapshot: object) => ({
    class: cls,
    operation: "add",
    ref,
    snapshot: snapshot as never,
  });
  const whole = [
    add("pool", "OpaqueRef:p", pool),
    add("host", "OpaqueRef:h", host),
    add("host_metrics", "OpaqueRef:m", metrics),
  ];
  const counts = { pool: 1, host: 1, host_metrics: 1, vm: 0, pbd: 0, sr: 0 };

  async function against(t: TestContext, events: Script, change: Partial<PoolCacheOptions> = {}) {
    const server = await startScriptedServer((received, response, request) => {
      if (received.method === "session.login_with_password") answer(response, "OpaqueRef:s");
      else if (received.method === "event.from") events(received, response, request);
      else answer(response, "");
    });
    t.after(() => server.close());
    const gate = createXapiGate({ socketPath: server.path, secretPath: "", originator: "t" });
    const tokens = () => server.received.filter((one) => one.method === "event.from").map((one) => one.params[2]);
    return { ...follow(t, gate, change), server, tokens };
  }

  test("starts again from the empty token with a new login after SESSION_INVALID", async (t) => {
    let n = 0;
    const { tokens, server, view } = await against(t, (_received, response) => {
      n += 1;
      if (n === 2) answerError(response, "SESSION_INVALID", "OpaqueRef:s");
      else if (n <= 3) answer(response, { token: `t${n}`, events: whole, valid_ref_counts: counts });
    });
    await eventually(async () => tokens().length >= 4);
    assert.deepEqual(tokens().slice(0, 4), ["", "t1", "", "t3"]);
    assert.equal(server.received.filter((one) => one.method.startsWith("session.login")).length, 2);
    assert.equal(view()?.poolUuid, "p");
  });

  test("rereads the pool when the master's reference changes", async (t) => {
    let n = 0;
    const other = add("host", "OpaqueRef:h2", { ...host, uuid: "h2" });
    const { tokens } = await against(t, (_received, response) => {
      n += 1;
      const moved = add("pool", "OpaqueRef:p", { ...pool, master: "OpaqueRef:h2" });
      const events = n === 1 ? whole : n === 2 ? [other, moved] : [...whole, other, moved];
      if (n <= 3) answer(response, { token: `t${n}`, events, valid_ref_counts: { ...counts, host: n === 1 ? 1 : 2 } });
    });
    await eventually(async () => tokens().length >= 4);
    assert.deepEqual(tokens().slice(0, 4), ["", "t1", "", "t3"]);
  });

  test("rereads the pool when its count does not fit twice, at most once a minute", async (t) => {
    let minutes = 0;
    const clock = { ...systemClock(), now: () => (minutes += 61_000) };
    let n = 0;
    const script: Script = (_received, response) => {
      n += 1;
      const lostEvent = { ...counts, vm: n < 4 ? 1 : 0 };
      if (n <= 4) answer(response, { token: `t${n}`, events: whole, valid_ref_counts: lostEvent });
    };
    const healing = await against(t, script, { clock });
    await eventually(async () => healing.tokens().length >= 5);
    assert.deepEqual(healing.tokens().slice(0, 5), ["", "t1", "", "t3", "t4"]);
    n = 0;
    const still = await against(t, script, { clock: { ...clock, now: () => 0 }, gapMs: 0 });
    await eventually(async () => still.tokens().length >= 5);
    assert.deepEqual(still.tokens().slice(0, 5), ["", "t1", "t2", "t3", "t4"]);
  });

  test("is unknown with the record's name when a record cannot be read, and shows no half pool", async (t) => {
    const { cache, changes } = await against(t, (_received, response) => {
      const bad = add("host", "OpaqueRef:h", { ...host, enabled: "yes" });
      answer(response, { token: "t", events: [whole[0] ?? bad, bad], valid_ref_counts: counts });
    });
    await eventually(async () => changes.length > 0);
    const seen = cache.view();
    assert.match(seen.kind === "unknown" ? seen.reason : "", /host OpaqueRef:h: enabled: found "yes"/);
    assert.ok(changes.every((change) => change.kind === "unknown"));
  });

  test("waits for the missing part when the pool comes in pieces", async (t) => {
    let n = 0;
    const { changes, view } = await against(t, (_received, response) => {
      n += 1;
      const events = n === 1 ? whole.slice(0, 2) : whole.slice(2);
      if (n <= 2) answer(response, { token: `t${n}`, events, valid_ref_counts: counts });
    });
    await eventually(async () => view() !== null);
    assert.deepEqual(
      changes.map((change) => change.kind),
      ["unknown", "known"],
    );
  });

  test("does not hammer a xapi that answers at once and empty", async (t) => {
    const { server, view } = await against(t, (_received, response) => {
      answer(response, { token: "t", events: server.received.length < 4 ? whole : [], valid_ref_counts: counts });
    });
    await eventually(async () => view() !== null);
    const [before, since] = [server.received.length, performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 500));
    const most = (performance.now() - since) / 9 + 2;
    const calls = server.received.length - before;
    assert.ok(calls <= most, `${calls} calls with a gap of 10 ms, expected at most ${most}`);
  });

  test("is told the reason when nothing listens, and stop ends everything", async (t) => {
    const gate = createXapiGate({ socketPath: "/nonexistent/xapi", secretPath: "", originator: "t" });
    const counted = countingGate(gate);
    const { cache } = follow(t, counted.gate);
    const since = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const most = (performance.now() - since) / 19 + 2;
    assert.ok(counted.logins() <= most, `${counted.logins()} logins with waits of 20 ms, expected at most ${most}`);
    await eventually(async () => {
      const seen = cache.view();
      return seen.kind === "unknown" && /ENOENT/.test(seen.reason);
    });
    await cache.stop();
  });
});
