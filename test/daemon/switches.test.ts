// Switches of an administrator: ENABLE_LOGGING and the LOG_ areas, and HA switched in the pool's database.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { areaSwitches, EVENT_AREAS } from "../../src/config/areas.ts";
import { effectiveConfig } from "../../src/config/effective.ts";
import { parseLocalFile } from "../../src/config/local-file.ts";
import { createFieldSwitch, wishOf } from "../../src/daemon/settings/field-switch.ts";
import { areaOfAlert } from "../../src/daemon/alerts/alert-texts.ts";
import { areaOfEvent, mayLog } from "../../src/daemon/history/log-switches.ts";
import type { ControlReply } from "../../src/drivers/control/port.ts";
import { events } from "../../src/report/events.ts";
import type { PoolView } from "../../src/drivers/xapi/port.ts";
import { SAMPLE, XCP1 } from "../config/sample.ts";

function configWith(pool: Readonly<Record<string, string>>, storage = "") {
  const text = storage === "" ? SAMPLE : SAMPLE.replace("storage:\n", `storage:\n  ${storage}\n`);
  const local = parseLocalFile(text, { hostId: XCP1, managementInterface: "xenbr0" });
  assert.ok(local.ok, JSON.stringify(local));
  const keys = Object.fromEntries(Object.entries(pool).map(([name, value]) => [`tandem:${name}`, value]));
  return effectiveConfig({ local: local.value, pool: keys, lastGood: null, secrets: {}, keyId: "k" }).config;
}

test("ENABLE_LOGGING=0 mutes everything but what stops the daemon", () => {
  const muted = configWith({ ENABLE_LOGGING: "0" });
  assert.equal(mayLog(muted, "fence.failed"), false);
  assert.equal(mayLog(muted, "daemon.stopping", "fatal"), true);
  assert.equal(mayLog(configWith({}), "fence.failed"), true);
});

test("ENABLE_LOGGING of the storage part mutes its areas alone", () => {
  const muted = configWith({}, "ENABLE_LOGGING: 0");
  for (const event of ["storage.activated", "drbd.changed", "vip.added", "target.died", "io.resumed"] as const)
    assert.equal(mayLog(muted, event), false, event);
  assert.equal(mayLog(muted, "fence.failed"), true);
});

test("LOG_<area> mutes its area by our name and by HA-Lizard's, a hyphen in the event's name notwithstanding", () => {
  assert.equal(mayLog(configWith({ LOG_fence: "0" }), "fence.failed"), false);
  assert.equal(mayLog(configWith({ LOG_fence_host: "0" }), "fence.failed"), false);
  assert.equal(mayLog(configWith({ LOG_self_fence: "0" }), "self-fence.begun"), false);
  assert.equal(mayLog(configWith({ LOG_maintenance: "0" }), "maintenance.step"), false);
});

test("every event and every alert obeys an area that has its switches", () => {
  for (const name of Object.keys(events)) assert.ok(EVENT_AREAS.includes(areaOfEvent(name)), name);
  for (const id of ["fencing", "vm-down", "witness-held", "owner-lost", "custom-field", "disk:r", "nobody-knows"])
    assert.ok(EVENT_AREAS.includes(areaOfAlert(id)), id);
  assert.equal(areaSwitches(configWith({ MAIL_fence: "0" }).areas, areaOfAlert("fencing")).mail, false);
  assert.equal(areaSwitches(configWith({ PRIORITY_drbd: "1" }).areas, areaOfAlert("split-brain")).priority, 1);
});

const FIELD = "XenCenter.CustomFields.ha-lizard-enabled";
const deaf = { fieldName: "ha-lizard-enabled", customFieldMayDisable: false };
const obeys = { ...deaf, customFieldMayDisable: true };

test("what a change in the database asks for", () => {
  const on = { "tandem:enabled": "true", [FIELD]: "true" };
  const keyOff = { ...on, "tandem:enabled": "false" };
  const fieldOff = { ...on, [FIELD]: "False" };
  const off = { "tandem:enabled": "false", [FIELD]: "false" };
  assert.deepEqual(wishOf(on, on, true, obeys), { kind: "none" });
  assert.deepEqual(wishOf(on, keyOff, true, deaf), { kind: "disable", by: "key" });
  assert.deepEqual(wishOf(off, { ...off, "tandem:enabled": "true" }, false, deaf), { kind: "enable", by: "key" });
  assert.deepEqual(wishOf(on, fieldOff, true, obeys), { kind: "disable", by: "field" });
  assert.deepEqual(wishOf(on, fieldOff, true, deaf), { kind: "ignored", said: "false" });
  // R4.2: every VM operator can write the field, so it never enables.
  assert.deepEqual(wishOf(off, { ...off, [FIELD]: "true" }, false, obeys), { kind: "ignored", said: "true" });
  // Our own mirror after a command, a removed key, words that are neither.
  assert.deepEqual(wishOf(on, off, false, obeys), { kind: "none" });
  assert.deepEqual(wishOf(on, {}, true, obeys), { kind: "none" });
  assert.deepEqual(wishOf(on, { ...on, [FIELD]: "maybe" }, true, obeys), { kind: "none" });
});

interface Bench {
  on: boolean | null;
  master: boolean;
  mayDisable: boolean;
  reply: ControlReply;
  readonly said: string[];
  see(keys: Readonly<Record<string, string>>, masterRef?: string): Promise<void>;
}

function bench(): Bench {
  const one: Bench = {
    on: true,
    master: true,
    mayDisable: false,
    reply: { kind: "done", text: "" },
    said: [],
    async see(otherConfig, masterRef = "m1") {
      fieldSwitch.poolChanged({ masterRef, otherConfig } as PoolView);
      await turn();
      await turn();
    },
  };
  const fieldSwitch = createFieldSwitch({
    config: () => ({ vm: { ...configWith({}).vm, customFieldMayDisable: one.mayDisable } }),
    haIsOn: () => one.on,
    isMaster: () => one.master,
    async switchHa(kind) {
      one.said.push(kind);
      return one.reply;
    },
    mirror: async (on) => void one.said.push(`mirror ${on}`),
    alerts: { raise: (id, text) => void one.said.push(`alert ${id}: ${text}`) },
    log: () => undefined,
  });
  return one;
}

test("a field that may not switch is set back, with an alarm", async () => {
  const at = bench();
  await at.see({ [FIELD]: "true" });
  await at.see({ [FIELD]: "false" });
  assert.match(at.said[0] ?? "", /^alert custom-field: somebody set .* to false: that switches nothing \(CUSTOM_FIELD/);
  assert.deepEqual(at.said.slice(1), ["mirror true"]);
});

test("a field that may disable does so, with an alarm; a refusal is told and shown", async () => {
  const at = bench();
  at.mayDisable = true;
  await at.see({ [FIELD]: "true" });
  await at.see({ [FIELD]: "false" });
  assert.match(at.said[0] ?? "", /^alert custom-field: HA is being disabled/);
  assert.deepEqual(at.said.slice(1), ["disable"]);
  const other = bench();
  other.mayDisable = true;
  other.reply = { kind: "refused", rule: "A4", reason: "the other host did not agree", next: "" };
  await other.see({ [FIELD]: "true" });
  await other.see({ [FIELD]: "false" });
  assert.match(other.said.join("\n"), /refused: the other host did not agree\nmirror true$/);
});

test("a first look, another master's database, a supporter and a change under way switch nothing", async () => {
  const at = bench();
  at.mayDisable = true;
  await at.see({ [FIELD]: "false" });
  await at.see({ [FIELD]: "true" }, "m2");
  await at.see({ [FIELD]: "false" }, "m1");
  at.master = false;
  await at.see({ [FIELD]: "true" }, "m1");
  await at.see({ [FIELD]: "false" }, "m1");
  at.master = true;
  at.on = null;
  await at.see({ [FIELD]: "true" }, "m1");
  await at.see({ [FIELD]: "false" }, "m1");
  assert.deepEqual(at.said, []);
});
