// Parameters, flags, backup and import through the daemon's answers, on a simulated pool with its real database.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { describePoolFailure } from "../../../src/act/pool/procedure.ts";
import { effectiveConfig, type EffectiveInput } from "../../../src/config/effective.ts";
import { refusalsOfChanges } from "../../../src/config/pool-changes.ts";
import { unknown, valueOf, type Observation } from "../../../src/core/model/observation.ts";
import { createPoolRequests, type PoolRequest } from "../../../src/daemon/requests/pool-requests.ts";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import type { ControlReply } from "../../../src/drivers/control/port.ts";
import { startPoolCache } from "../../../src/drivers/xapi/cache.ts";
import type { PoolView } from "../../../src/drivers/xapi/port.ts";
import { err, ok } from "../../../src/util/result.ts";
import { eventually, run, startSimPool, vmUuid } from "../../act/pool/sim-pool.ts";
import { sampleFile } from "../../config/sample.ts";

const FIELD = "XenCenter.CustomFields.ha-lizard-enabled";

async function bench(t: TestContext) {
  const vms = [
    { uuid: vmUuid(1), name: "web" },
    { uuid: vmUuid(2), name: "mail" },
  ];
  const { master } = await startSimPool(t, { vms });
  let view: Observation<PoolView> = unknown("not asked yet", 0);
  const cache = startPoolCache({ gate: master.gate, clock: systemClock(), onChange: (next) => void (view = next) });
  t.after(() => cache.stop());
  await eventually(async () => valueOf(view) !== undefined);
  const secrets: Record<string, string> = {};
  const at = { ha: false };
  const input = (): EffectiveInput => ({
    local: sampleFile(),
    pool: valueOf(view)?.otherConfig ?? null,
    lastGood: null,
    secrets,
    keyId: "k",
  });
  const ask = createPoolRequests({
    config: () => effectiveConfig(input()).config,
    settings: { input, refusalsOf: (changes) => refusalsOfChanges(input(), changes) },
    view: () => view,
    async perform(work) {
      const done = await work(master.context);
      return done.ok ? done : err(describePoolFailure(done.error));
    },
    async keepSecret(name, text) {
      secrets[name] = text;
      return ok("kept");
    },
    haIsOn: () => at.ha,
    wallMs: () => 1,
  });
  const keys = (): Readonly<Record<string, string>> => valueOf(view)?.otherConfig ?? {};
  /** Asks, and waits until the event has come that tells of the change. */
  async function did(request: PoolRequest, seen: () => boolean = () => true): Promise<ControlReply> {
    const reply = await ask(request);
    assert.ok(["done", "text"].includes(reply.kind), JSON.stringify(reply));
    await eventually(async () => seen());
    return reply;
  }
  return { ask, did, keys, secrets, at, master, view: () => valueOf(view) };
}

test("set, insert, restore-default and remove write what they say and read it back", { timeout: 60_000 }, async (t) => {
  const { ask, did, keys, secrets, at } = await bench(t);
  await did({ kind: "set", name: "monitor_delay", value: "20" }, () => keys()["tandem:MONITOR_DELAY"] === "20");
  await did({ kind: "set", name: "FENCE_PASSWD", value: "hunter2" });
  assert.deepEqual([secrets["FENCE_PASSWD"], keys()["tandem:FENCE_PASSWD"]], ["hunter2", undefined]);
  await did({ kind: "insert", overwrite: false }, () => keys()["tandem:MAIL_ON"] === "1");
  assert.equal(keys()["tandem:MONITOR_DELAY"], "20", "what was set stays");
  await did({ kind: "set", name: "T_DEAD", value: "3.5" }, () => keys()["tandem:T_DEAD"] === "3.5");
  // Timers go back to their profile: no key.
  const restored = (): boolean => keys()["tandem:MONITOR_DELAY"] === "15" && keys()["tandem:T_DEAD"] === undefined;
  await did({ kind: "restore-default" }, restored);
  at.ha = true;
  assert.equal((await ask({ kind: "remove" })).kind, "refused");
  at.ha = false;
  await did({ kind: "remove" }, () => Object.keys(keys()).every((key) => !key.startsWith("tandem:")));
  assert.equal(secrets["FENCE_PASSWD"], "");
});

test("flags of VMs, and a backup that brings parameters and flags back", { timeout: 60_000 }, async (t) => {
  const { ask, did, keys, view } = await bench(t);
  const flag = (name: string) => view()?.vms.find((vm) => vm.name === name)?.otherConfig[FIELD];
  await did({ kind: "set", name: "GLOBAL_VM_HA", value: "0" }, () => keys()["tandem:GLOBAL_VM_HA"] === "0");
  await did({ kind: "set-vm-ha", vm: "web", on: true }, () => flag("web") === "true");
  const listed = await ask({ kind: "vms" });
  assert.ok(listed.kind === "vms");
  assert.deepEqual(
    listed.flags.vms.map((vm) => [vm.name, vm.flag, vm.isProtected]),
    [
      ["mail", null, false],
      ["web", true, true],
    ],
  );
  const made = await ask({ kind: "backup" });
  assert.ok(made.kind === "backup");
  assert.deepEqual(made.backup.parameters, { GLOBAL_VM_HA: "0" });
  assert.deepEqual(made.backup.vms, { [vmUuid(1)]: true });
  await did({ kind: "set-vm-ha", vm: vmUuid(1), on: false }, () => flag("web") === "false");
  await did({ kind: "set", name: "MAIL_ON", value: "0" }, () => keys()["tandem:MAIL_ON"] === "0");
  const { parameters, vms } = made.backup;
  const restored = await did(
    { kind: "restore", parameters, vms: { ...vms, [vmUuid(9)]: true } },
    () => flag("web") === "true" && keys()["tandem:MAIL_ON"] === undefined,
  );
  assert.match(restored.kind === "done" ? restored.text : "", /not found: aaaaaaaa-0000-4000-8000-000000000009/);
  const bad = await ask({ kind: "restore", parameters: { OP_MODE: "7" }, vms: {} });
  assert.ok(bad.kind === "failed" && /OP_MODE/.test(bad.reason));
  assert.equal(keys()["tandem:GLOBAL_VM_HA"], "0", "a bad backup changes nothing");
});

test(
  "import takes HA-Lizard's keys and file, shows first, and names what it leaves",
  { timeout: 60_000 },
  async (t) => {
    const { did, keys, secrets, master } = await bench(t);
    const [pool = ""] = Object.keys((await run(master, "pool.get_all_records")) ?? {});
    const old = {
      HA_MAIL_ON: "0",
      HA_FENCE_HOST_FORGET: "1",
      HA_FENCE_PASSWD: "hunter2",
      HA_OP_MODE: "9",
      HA_NOPE: "1",
    };
    for (const [key, value] of Object.entries(old)) await run(master, "pool.add_to_other_config", pool, key, value);
    await eventually(async () => keys()["HA_NOPE"] === "1");
    const file = { MAIL_TO: "a@b.example", DISABLED_VAPPS: "()" };
    const shown = await did({ kind: "import", file, write: false });
    const text = shown.kind === "text" ? shown.text : "";
    for (const line of [
      /^MAIL_ON=0$/m,
      /^MAIL_TO=a@b\.example$/m,
      /^FENCE_PASSWD=\[set\]$/m,
      /^not taken over: FENCE_HOST_FORGET: a host is never forgotten/m,
      /^not taken over: NOPE: there is no such parameter/m,
      /^not taken over: OP_MODE: found "9"/m,
      /add --write/,
    ])
      assert.match(text, line);
    assert.equal(keys()["tandem:MAIL_ON"], undefined);
    await did({ kind: "import", file, write: true }, () => keys()["tandem:MAIL_TO"] === "a@b.example");
    assert.deepEqual([keys()["tandem:MAIL_ON"], secrets["FENCE_PASSWD"]], ["0", "hunter2"]);
  },
);
