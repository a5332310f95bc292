// The passes of VM protection on a simulated pool: what the master's daemon does from xapi's events alone.

import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { describePoolFailure } from "../../../src/act/pool/procedure.ts";
import { LEFT_KEY } from "../../../src/core/decide/vms/guard.ts";
import { known, unknown, valueOf, type Observation } from "../../../src/core/model/observation.ts";
import { keptOf, memoryOf, type KeptVms } from "../../../src/daemon/vms/vm-memory.ts";
import { startVmWatch, type VmSnapshot, type VmWatch } from "../../../src/daemon/vms/vm-watch.ts";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { startPoolCache } from "../../../src/drivers/xapi/cache.ts";
import type { PoolView } from "../../../src/drivers/xapi/port.ts";
import {
  eventually,
  GIB,
  refOf,
  run,
  SR,
  startSimPool,
  vmState,
  vmUuid,
  XCP1,
  XCP2,
  type SimHost,
  type SimPool,
} from "../../act/pool/sim-pool.ts";

const vm = (n: number, change = {}) => ({
  uuid: vmUuid(n),
  name: `vm${n}`,
  pvDrivers: true,
  disks: [{ sr: SR }],
  ...change,
});
const entry = (uuid: string, name: string) => ({ uuid, name, management: "", replication: "" });

interface Watching {
  readonly watch: VmWatch;
  readonly logged: string[];
  readonly alerts: Map<string, string>;
  readonly cache: { kept: KeptVms | null };
  /** Fields of the snapshot that the test bends. */
  readonly world: {
    ha: "on" | "off";
    refusal: string | null;
    masterOnly: boolean;
    xapiHangs: boolean;
    /** Of the watch's clock. */
    speed: number;
    /** A domain of which the hypervisor tells and xapi knows nothing. */
    strayed: string | null;
    roleMoves: boolean;
    /** xapi is just doing something with each VM that has not strayed. */
    operations: readonly string[];
    xlHangs: boolean;
  };
  readonly restarts: string[];
  /** What was fed last of this host's domains. */
  readonly fed: { domains: Observation<unknown> | null };
}

/** The watch of the master's daemon, with the digests of both hypervisors as heartbeats would carry them. */
function watching(t: TestContext, { master, supporter }: SimPool, kept: KeptVms | null = null): Watching {
  const world: Watching["world"] = {
    ha: "on",
    refusal: null,
    masterOnly: false,
    xapiHangs: false,
    speed: 1,
    strayed: null,
    roleMoves: false,
    operations: [],
    xlHangs: false,
  };
  const restarts: string[] = [];
  const fed: Watching["fed"] = { domains: null };
  const domains = { own: [] as string[], peer: [] as string[] };
  const look = async (): Promise<void> => {
    domains.own = [...(await master.localDomains())];
    domains.peer = [...(await supporter.localDomains())];
  };
  const looking = setInterval(() => void look(), 20);
  const snapshot = (): VmSnapshot => ({
    ha: world.ha,
    role: "master",
    ownDomains: [...domains.own, ...(world.strayed === null ? [] : [world.strayed])].map((uuid, i) => ({
      uuid,
      domId: i + 1,
      name: uuid,
      paused: false,
    })),
    others: new Map([[XCP2, new Set(domains.peer)]]),
    vacated: new Set(),
    needed: [XCP2],
    ownVmsRefusal: world.refusal,
    roleMoves: world.roleMoves,
  });
  const logged: string[] = [];
  const alerts = new Map<string, string>();
  const cache: Watching["cache"] = { kept };
  let view: Observation<PoolView> = unknown("not read", 0);
  const pool = startPoolCache({
    gate: master.gate,
    clock: systemClock(),
    gapMs: 10,
    onChange(next) {
      view = next;
      watch.wake();
    },
  });
  const watch = startVmWatch({
    config: () => ({
      self: entry(XCP1, "xcp1"),
      pass: { delayMs: 500, scanRateMs: 100, maxStarts: world.xapiHangs ? 3 : 200, killAll: true },
      vm: {
        masterOnly: world.masterOnly,
        opMode: 2,
        globalVmHa: true,
        fieldName: "ha-lizard-enabled",
        disabledVapps: [],
        checkOnEveryHost: false,
        anyHostByXapi: false,
        customFieldMayDisable: false,
        leavePolicy: "migrate",
        isolatedVmPolicy: "restart",
      },
    }),
    clock: { ...systemClock(), now: () => performance.now() * world.speed },
    domains: {
      async list() {
        if (world.xlHangs) return { ok: false, error: { kind: "timeout", command: "xl list -v", afterMs: 3_000 } };
        const uuids = [...(await master.localDomains())];
        return { ok: true, value: uuids.map((uuid, i) => ({ uuid, domId: i + 1, name: uuid, paused: false })) };
      },
    },
    snapshot,
    view() {
      const pool = valueOf(view);
      if (pool === undefined || world.operations.length === 0) return view;
      const { operations, strayed } = world;
      return known({ ...pool, vms: pool.vms.map((one) => (one.uuid === strayed ? one : { ...one, operations })) }, 0);
    },
    async perform(work, permitted) {
      const gate = world.xapiHangs ? { ...master.gate, openPool: hangs } : master.gate;
      const done = await work({ ...master.context, gate, permitted });
      return done.ok ? done : { ok: false, error: describePoolFailure(done.error) };
    },
    feed(event) {
      if (event.kind === "domains") fed.domains = event.domains;
    },
    cache: {
      load: async () => cache.kept,
      async save(value) {
        cache.kept = value;
        return { ok: true, value: "saved" };
      },
    },
    async restartToolstack() {
      restarts.push(world.strayed ?? "nobody strayed");
      return null;
    },
    alerts: { raise: (id, text) => void alerts.set(id, text), clear: (id) => void alerts.delete(id) },
    log: (event, detail) => void logged.push(`${event} ${detail}`),
    tickMs: 20,
  });
  t.after(async () => {
    clearInterval(looking);
    await watch.stop();
    await pool.stop();
  });
  return { watch, logged, alerts, cache, world, restarts, fed };
}

/** Logs in never, until the caller gives up. */
const hangs: SimHost["gate"]["openPool"] = (_deadlineMs, signal) =>
  new Promise((resolve) => {
    const error = { kind: "transport", call: "session.login_with_password", reason: "given up" } as const;
    signal?.addEventListener("abort", () => resolve({ ok: false, error }));
  });

async function startOn(host: SimHost, on: string, ...numbers: readonly number[]): Promise<void> {
  const hostRef = await refOf(host, "host", on);
  for (const n of numbers) await run(host, "VM.start_on", await refOf(host, "VM", vmUuid(n)), hostRef, false, false);
}

const wanted = ({ cache }: Watching): readonly string[] => Object.keys(cache.kept?.hosts ?? {});

describe("the passes of VM protection", { timeout: 120_000 }, () => {
  test("tell of a VM that runs here while xapi calls it halted, and have the toolstack started anew", async (t) => {
    const pool = await startSimPool(t, { vms: [vm(1), vm(2)] });
    const watched = watching(t, pool);
    // A tick is a second.
    watched.world.speed = 50;
    watched.world.refusal = "the other host does not answer";
    watched.world.strayed = vmUuid(1);
    await eventually(async () => watched.watch.report() !== null);
    // Twice as long as it takes a host that does something about its VMs.
    await delay(800);
    assert.deepEqual([...watched.alerts.keys()], []);
    watched.world.refusal = null;
    watched.world.roleMoves = true;
    await eventually(async () => watched.alerts.has(`vm-strayed:${vmUuid(1)}`));
    await delay(200);
    watched.world.operations = ["snapshot"];
    watched.world.roleMoves = false;
    await delay(200);
    assert.deepEqual(watched.restarts, [], "not in the middle of a move of the role, or of an operation");
    watched.world.operations = [];
    await eventually(async () => watched.restarts.length === 1);
    assert.deepEqual([...watched.alerts.keys()], [`vm-strayed:${vmUuid(1)}`]);
    watched.world.strayed = null;
    await eventually(async () => watched.alerts.size === 0);
  });

  test("know nothing of this host's domains while the hypervisor does not tell them", async (t) => {
    const pool = await startSimPool(t, { vms: [vm(1)] });
    const watched = watching(t, pool);
    watched.world.speed = 50;
    watched.world.strayed = vmUuid(1);
    await eventually(async () => watched.fed.domains?.kind === "known");
    watched.world.xlHangs = true;
    await eventually(async () => watched.fed.domains?.kind === "unknown");
  });

  test("start VMs again that end by themselves, on either host, and not those that xapi was asked to stop", async (t) => {
    const pool = await startSimPool(t, { vms: [vm(1), vm(2), vm(3), vm(4)] });
    const { master, supporter } = pool;
    await startOn(master, XCP1, 1, 3);
    await startOn(master, XCP2, 2);
    const watched = watching(t, pool);
    await eventually(async () => wanted(watched).length === 3);
    await master.hypervisor.destroy(vmUuid(1));
    await supporter.hypervisor.destroy(vmUuid(2));
    await run(master, "VM.clean_shutdown", await refOf(master, "VM", vmUuid(3)));
    await eventually(async () => (await master.localDomains()).has(vmUuid(1)));
    await eventually(async () => (await supporter.localDomains()).has(vmUuid(2)));
    await eventually(async () => wanted(watched).length === 2);
    for (const [n, on] of [
      [1, XCP1],
      [2, XCP2],
    ] as const)
      assert.deepEqual(await vmState(master, vmUuid(n)), { power: "Running", on });
    assert.equal((await vmState(master, vmUuid(3))).power, "Halted");
    assert.equal((await vmState(master, vmUuid(4))).power, "Halted");
    assert.ok(watched.logged.includes("vm.stopped vm3: it was stopped on purpose"));
  });

  test("start after a boot what ran before, of what is remembered; the mark of a host that left goes with the start", async (t) => {
    const left = vm(2, { otherConfig: { [LEFT_KEY]: XCP1 } });
    const pool = await startSimPool(t, { vms: [vm(1), left, vm(3)] });
    const kept = { savedWallMs: Date.now() - 60_000, hosts: { [vmUuid(1)]: XCP1 } };
    watching(t, pool, kept);
    const { master } = pool;
    await eventually(async () => (await master.localDomains()).size === 2);
    await eventually(async () => {
      const other = await run(master, "VM.get_other_config", await refOf(master, "VM", vmUuid(2)));
      return !Object.hasOwn(other as object, LEFT_KEY);
    });
    assert.deepEqual([...(await master.localDomains())].toSorted(), [vmUuid(1), vmUuid(2)]);
  });

  test("do nothing while it is not permitted, with MASTER_ONLY, or with HA off; and tell who is missing", async (t) => {
    const pool = await startSimPool(t, { vms: [vm(1)] });
    const { master } = pool;
    await startOn(master, XCP1, 1);
    const watched = watching(t, pool);
    await eventually(async () => wanted(watched).length === 1);
    watched.world.refusal = "this host is in maintenance";
    await master.hypervisor.destroy(vmUuid(1));
    await eventually(async () => watched.watch.report()?.down[0]?.because === "this host is in maintenance");
    watched.world.masterOnly = true;
    watched.world.refusal = null;
    await eventually(async () => watched.watch.report()?.down.length === 0);
    assert.equal((await master.localDomains()).size, 0);
    watched.world.ha = "off";
    await eventually(async () => wanted(watched).length === 0);
    watched.world.masterOnly = false;
    watched.world.ha = "on";
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.equal((await master.localDomains()).size, 0);
  });

  test("are not held up for ever by starts that hang (MONITOR_MAX_STARTS, MONITOR_KILLALL)", async (t) => {
    const pool = await startSimPool(t, { vms: [vm(1, { otherConfig: { [LEFT_KEY]: XCP1 } })] });
    const watched = watching(t, pool);
    watched.world.xapiHangs = true;
    await eventually(async () => watched.logged.some((line) => /the starts are still under way/.test(line)));
    await eventually(async () => watched.logged.some((line) => /given up/.test(line)));
    watched.world.xapiHangs = false;
    await eventually(async () => (await pool.master.localDomains()).size === 1);
  });

  test("raise the overcommit alert when one host more could not be lost, and end it", async (t) => {
    const big = { memoryBytes: 4 * GIB };
    const pool = await startSimPool(t, { vms: [vm(1, big), vm(2, big)] });
    const { master } = pool;
    await startOn(master, XCP1, 1);
    const watched = watching(t, pool);
    await eventually(async () => watched.watch.report()?.capacity.tolerated === 1);
    await startOn(master, XCP2, 2);
    await eventually(async () => watched.alerts.has("overcommit"));
    assert.match(watched.alerts.get("overcommit") ?? "", /^without xcp[12] there is no memory for vm[12]: /);
    await run(master, "VM.hard_shutdown", await refOf(master, "VM", vmUuid(2)));
    await eventually(async () => !watched.alerts.has("overcommit"));
  });
});

test("what is kept over a restart is which VMs ought to run, and where they ran", () => {
  const kept = { savedWallMs: 5, hosts: { a: "one", b: null } };
  assert.deepEqual(keptOf(memoryOf(kept), 5), kept);
});
