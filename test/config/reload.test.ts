// Which changes are taken up while the daemon runs, which at once, and what holds until the other host has them too.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Config } from "../../src/config/config.ts";
import { effectiveConfig } from "../../src/config/effective.ts";
import { cautious, planReload } from "../../src/config/reload.ts";
import { checkTimers } from "../../src/config/timers.ts";
import { SAMPLE, sampleFile } from "./sample.ts";

const BASE = { FENCE_HEURISTICS_IPS: "192.168.1.253" };
const config = (pool: Record<string, string> = {}, text = SAMPLE, keyId = "key-1"): Config =>
  effectiveConfig({
    local: sampleFile(text),
    pool: Object.fromEntries(Object.entries({ ...BASE, ...pool }).map(([name, value]) => [`tandem:${name}`, value])),
    lastGood: null,
    secrets: {},
    keyId,
  }).config;

test("what only this host uses is taken up at once, HA on or off", () => {
  const next = config({ MAIL_TO: "a@example.org", GLOBAL_VM_HA: "0", FENCE_IPADDRESS: "10.0.0.1" });
  assert.deepEqual(planReload(config(), next, true), { kind: "now" });
  assert.deepEqual(planReload(config(), next, false), { kind: "now" });
});

const restarts: readonly (readonly [string, string, RegExp])[] = [
  ["another host address", SAMPLE.replace("192.168.1.242", "192.168.1.250"), /pool and hosts changed/],
  ["another floating IP", SAMPLE.replace("10.10.10.3", "10.10.10.4"), /DRBD_VIRTUAL_IP/],
  ["another LUN", SAMPLE.replace("lun: 10", "lun: 11"), /LUNS/],
  ["another port", SAMPLE.replace("storage:\n", "storage:\n  PEER_PORT: 7695\n"), /PEER_PORT/],
  [
    "another watchdog",
    SAMPLE.replace("storage:\n", "storage:\n  WATCHDOG_DEVICE: /dev/watchdog1\n"),
    /WATCHDOG_DEVICE/,
  ],
];
for (const [name, text, expected] of restarts) {
  test(`${name} waits for a restart, and the reason says so`, () => {
    const plan = planReload(config(), config({}, text), false);
    assert.ok(plan.kind === "refused");
    assert.match(plan.reasons.join("\n"), expected);
    assert.match(plan.reasons.join("\n"), /systemctl restart tandemd/);
  });
}

const policies: readonly (readonly [string, Record<string, string>])[] = [
  ["the policy", { FENCE_METHOD: "ILO" }],
  ["the fall-back to the vote", { FENCE_METHOD: "ILO", FENCE_HA_ONFAIL: "1" }],
  ["the witness", { WITNESS: "10.0.0.9:7694" }],
  ["whether a lost host is acted on", { FENCE_ENABLED: "0" }],
  ["the reboot of a lone host", { FENCE_REBOOT_LONE_HOST: "1" }],
  ["the watchdog's timeout", { WATCHDOG: "4" }],
];
for (const [name, pool] of policies) {
  test(`${name} cannot change while HA is on, and can while it is off`, () => {
    const plan = planReload(config(), config(pool), true);
    assert.ok(plan.kind === "refused");
    assert.match(plan.reasons.join(), /ha-cfg disable/);
    assert.deepEqual(planReload(config(), config(pool), false), { kind: "now" });
  });
}

/** Both directions of every change that may be staged. */
const pairs: readonly (readonly [string, Record<string, string>, Record<string, string>])[] = [
  ["longer timers", {}, { T_DEAD: "5", LEASE: "8", T_TAKE: "20" }],
  ["shorter timers", { T_DEAD: "5", LEASE: "8", T_TAKE: "20" }, {}],
  ["a longer lease with the same takeover", { T_TAKE: "20" }, { T_TAKE: "20", LEASE: "11" }],
];
for (const [name, before, after] of pairs) {
  test(`${name}: until the other host has them too, no pair of old, new and meanwhile breaks an inequality`, () => {
    const [old, next] = [config(before), config(after)];
    const plan = planReload(old, next, true);
    assert.deepEqual(plan, { kind: "staged" });
    const meanwhile = cautious(old.core, next.core);
    assert.equal(meanwhile.cfgHash, next.core.cfgHash);
    const here = meanwhile.timers;
    for (const there of [old.core.timers, next.core.timers, here]) {
      // One of the two serves and gives up by its own lease; the other one takes over by its own T_TAKE (I-c, I-g).
      for (const [serves, takes] of [[here, there] as const, [there, here] as const]) {
        const broken = checkTimers({ ...takes, lease: serves.lease }).filter(({ rule }) => /^I-[cg]$/.test(rule));
        assert.deepEqual(broken, []);
      }
    }
  });
}

test("both lists of heuristic addresses must answer until the other host asks the new one too", () => {
  const [old, next] = [config(), config({ FENCE_HEURISTICS_IPS: "192.168.1.1" })];
  assert.deepEqual(planReload(old, next, true), { kind: "staged" });
  assert.deepEqual(cautious(old.core, next.core).heuristics.toSorted(), ["192.168.1.1", "192.168.1.253"]);
});

test("a new key of the peer link is staged: it changes the hash and nothing else", () => {
  const [old, next] = [config(), config({}, SAMPLE, "key-2")];
  assert.deepEqual(planReload(old, next, true), { kind: "staged" });
  assert.deepEqual(cautious(old.core, next.core), next.core);
});
