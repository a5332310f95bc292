import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import type { Config } from "../../src/config/config.ts";
import { effectiveConfig, type EffectiveInput, type EffectiveResult } from "../../src/config/effective.ts";
import { enableRefusals, policyNote, policyWarnings } from "../../src/config/policy.ts";
import { insertable, refusalsOfChanges } from "../../src/config/pool-changes.ts";
import { describeProblem } from "../../src/config/problem.ts";
import { checkFloatingIp, checkResources } from "../../src/config/storage-checks.ts";
import { INVENTORY, SAMPLE, sampleFile, XCP1, XCP2 } from "./sample.ts";

const keys = (pool: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(pool).map(([name, text]) => [`tandem:${name}`, text]));
const input = (pool: Record<string, string> = {}, more: Partial<EffectiveInput> = {}): EffectiveInput => ({
  local: sampleFile(),
  pool: keys(pool),
  lastGood: null,
  secrets: {},
  keyId: "key-1",
  ...more,
});
const run = (pool: Record<string, string> = {}, more: Partial<EffectiveInput> = {}): EffectiveResult =>
  effectiveConfig(input(pool, more));
const sourceOf = (config: Config, name: string): string | undefined =>
  config.parameters.find((one) => one.name === name && one.scope === "pool")?.source;
const valueOf = (config: Config, name: string): string | undefined =>
  config.parameters.find((one) => one.name === name && one.scope === "pool")?.value;

test("default, pool and override are merged in this order, and `get` knows the source", () => {
  const { config } = run({ SLAVE_VM_STAT: "0", MONITOR_DELAY: "30", mail_on: "0" });
  assert.equal(config.vm.checkOnEveryHost, true);
  assert.equal(config.pass.delayMs, 30_000);
  assert.equal(config.alerts.mail.on, false);
  assert.deepEqual(
    ["SLAVE_VM_STAT", "MONITOR_DELAY", "MAIL_ON", "OP_MODE", "T_DEAD"].map((name) => sourceOf(config, name)),
    ["override", "pool", "pool", "default", "profile"],
  );
  assert.equal(valueOf(config, "T_DEAD"), "3");
  assert.deepEqual(config.problems, []);
});

test("CoreConfig is what the decision function expects", () => {
  const { core } = run({ FENCE_HEURISTICS_IPS: "192.168.1.253", PROMOTE_SLAVE: "0" }).config;
  assert.equal(core.hostId, XCP1);
  assert.equal(core.peerId, XCP2);
  assert.deepEqual(core.heuristics, ["192.168.1.253"]);
  assert.deepEqual(core.resources, ["iscsi1"]);
  assert.equal(core.mayTakeOver, false);
  assert.deepEqual(core.removedRules, []);
});

test("the configuration is frozen", () => {
  const { config } = run();
  assert.throws(() => Object.assign(config.core.timers, { dead: 1 }), TypeError);
});

test("the floating IP is always added as /32; the mask only says its network", () => {
  const { storage } = run().config;
  assert.deepEqual(storage?.vip, { address: "10.10.10.3", prefix: 32, device: "repl" });
  assert.equal(storage?.vipNetworkPrefix, 24);
});

test("a bad pool value leaves the last good one in force and says so", () => {
  const first = run({ MONITOR_DELAY: "30" });
  const second = run({ MONITOR_DELAY: "soon" }, { lastGood: first.lastGood });
  assert.equal(second.config.pass.delayMs, 30_000);
  assert.equal(sourceOf(second.config, "MONITOR_DELAY"), "last-good");
  assert.match(
    describeProblem(second.config.problems[0] ?? assert.fail()),
    /pool tandem:MONITOR_DELAY: found "soon".*last good value stays/,
  );
  assert.deepEqual(second.lastGood, first.lastGood);
  assert.deepEqual(
    enableRefusals(
      run({ MONITOR_DELAY: "soon", FENCE_HEURISTICS_IPS: "10.0.0.9" }, { lastGood: first.lastGood }).config,
    ),
    [],
  );
});

test("a bad pool value without a last good one keeps HA off, and does not become the last good one", () => {
  const first = run({ MONITOR_DELAY: "soon", FENCE_HEURISTICS_IPS: "10.0.0.9" });
  assert.equal(first.lastGood, null);
  assert.match(enableRefusals(first.config).join(), /MONITOR_DELAY.*HA stays off/);
  const again = run({ MONITOR_DELAY: "soon", FENCE_HEURISTICS_IPS: "10.0.0.9" }, { lastGood: first.lastGood });
  assert.equal(enableRefusals(again.config).length, 1);
});

test("an unreadable pool uses the last good values as a whole, or keeps HA off without them", () => {
  const first = run({ MONITOR_DELAY: "30", FENCE_HEURISTICS_IPS: "10.0.0.9" });
  const cached = run({}, { pool: null, lastGood: first.lastGood });
  assert.equal(cached.config.pass.delayMs, 30_000);
  assert.equal(cached.config.core.cfgHash, first.config.core.cfgHash);
  assert.equal(cached.config.problems.length, 1);
  assert.deepEqual(enableRefusals(cached.config), []);
  assert.ok(enableRefusals(run({}, { pool: null }).config).some((one) => one.includes("HA stays off")));
});

test("a value removed from the pool goes back to the default, not to the last good one", () => {
  const first = run({ MONITOR_DELAY: "30" });
  assert.equal(run({}, { lastGood: first.lastGood }).config.pass.delayMs, 15_000);
});

test("contradicting timers are refused as a set; the last good set stays", () => {
  const good = run({ T_DEAD: "4", LEASE: "6", T_TAKE: "14.5" });
  assert.equal(good.config.core.timers.dead, 4000);
  const bad = run({ T_DEAD: "9", LEASE: "6", T_TAKE: "14.5" }, { lastGood: good.lastGood });
  assert.deepEqual(bad.config.core.timers, good.config.core.timers);
  assert.match(bad.config.problems.map(describeProblem).join("\n"), /I-b/);
  const never = run({ T_DEAD: "9", FENCE_HEURISTICS_IPS: "10.0.0.9" });
  assert.match(enableRefusals(never.config).join("\n"), /I-b/);
  assert.equal(never.config.core.timers.dead, 3000, "shown timers are a consistent set");
});

test("FAST_DETECT=0 reaches the core", () => {
  assert.equal(run({ FAST_DETECT: "0" }).config.core.timers.dead, 20_000);
});

test("unknown pool keys are reported with a suggestion; foreign keys and own records are not", () => {
  const { config } = effectiveConfig({
    ...input(),
    pool: {
      "tandem:FENCE_METOD": "ILO",
      "tandem:history": "x",
      "tandem:FENCE_PASSWD_SECRET": "uuid",
      autopromote_uuid: "",
      "XenCenter.CustomFields.x": "y",
    },
  });
  assert.deepEqual(
    config.problems.map((one) => one.action),
    ["did you mean FENCE_METHOD?"],
  );
});

test("the same parameter twice in different case is reported and one of them counts", () => {
  const { config } = run({ OP_MODE: "1", op_mode: "2" });
  assert.equal(config.vm.opMode, 1);
  assert.match(describeProblem(config.problems[0] ?? assert.fail()), /twice/);
});

test("a password found in other-config is used, reported, and handed out to be moved", () => {
  const { config, secretsToMove, lastGood } = run({ FENCE_PASSWD: "hunter2" });
  assert.equal(config.fence.password?.reveal(), "hunter2");
  assert.deepEqual(secretsToMove, [{ name: "FENCE_PASSWD", key: "tandem:FENCE_PASSWD", value: "hunter2" }]);
  assert.match(describeProblem(config.problems[0] ?? assert.fail()), /every XAPI user can read/);
  for (const text of [JSON.stringify(config), inspect(config, { depth: 9 }), JSON.stringify(lastGood)])
    assert.doesNotMatch(text, /hunter2/);
});

test("a password from a XAPI Secret is used and shown as [set]", () => {
  const { config, secretsToMove } = run({}, { secrets: { FENCE_PASSWD: "hunter2" } });
  assert.equal(config.fence.password?.reveal(), "hunter2");
  assert.equal(valueOf(config, "FENCE_PASSWD"), "[set]");
  assert.equal(valueOf(config, "SMTP_PASS"), "");
  assert.equal(sourceOf(config, "FENCE_PASSWD"), "secret");
  assert.deepEqual(secretsToMove, []);
  assert.doesNotMatch(String(config.fence.password), /hunter2/);
});

test("a changed password changes the JSON of the configuration without being in it", () => {
  const json = (password: string): string => JSON.stringify(run({}, { secrets: { FENCE_PASSWD: password } }).config);
  assert.equal(json("hunter2"), json("hunter2"));
  assert.notEqual(json("hunter2"), json("hunter3"));
});

test("insert writes defaults only: no timer, no secret, nothing that is set, nothing of this host's overrides", () => {
  const all = insertable({}, false);
  assert.equal(all["tandem:SLAVE_VM_STAT"], "0");
  assert.equal(all["tandem:TIMER_PROFILE"], "balanced");
  assert.deepEqual(
    Object.keys(all).filter((key) => /T_DEAD|LEASE$|PASS|LOG_/.test(key)),
    [],
  );
  assert.equal(insertable({ "tandem:op_mode": "1" }, false)["tandem:OP_MODE"], undefined);
  assert.equal(insertable({ "tandem:OP_MODE": "1" }, true)["tandem:OP_MODE"], "2");
  const { config } = effectiveConfig({ ...input(), pool: all });
  assert.deepEqual(config.problems, []);
  assert.equal(config.core.cfgHash, run().config.core.cfgHash);
});

test("the default shown for a timer is that of its profile", () => {
  const shown = run({ TIMER_PROFILE: "conservative", T_HB: "0.5" }).config.parameters;
  assert.equal(shown.find((one) => one.name === "T_DEAD")?.initial, "5");
  assert.equal(shown.find((one) => one.name === "T_HB")?.initial, "0.25");
});

test("the loop of iSCSI-HA has no effect and warns where it was changed", () => {
  const withDelay = (seconds: number): readonly string[] => {
    const local = sampleFile(SAMPLE.replace("storage:\n", `storage:\n  MONITOR_DELAY: ${seconds}\n`));
    return run({}, { local }).config.problems.map(describeProblem);
  };
  assert.match(withDelay(30)[0] ?? "", /storage\.MONITOR_DELAY: found 30, expected 10; it has no effect/);
  assert.deepEqual(withDelay(10), []);
});

test("FENCE_HOST_FORGET=1 has no effect and warns", () => {
  assert.match(describeProblem(run({ FENCE_HOST_FORGET: "1" }).config.problems[0] ?? assert.fail()), /no effect/);
  assert.deepEqual(run({ FENCE_HOST_FORGET: "0" }).config.problems, []);
});

const policies: readonly (readonly [Record<string, string>, string])[] = [
  [{}, "vote"],
  [{ FENCE_HA_ONFAIL: "1" }, "vote"],
  [{ FENCE_METHOD: "ILO" }, "strict"],
  [{ FENCE_METHOD: "ILO", FENCE_HA_ONFAIL: "1" }, "strict+vote"],
  [{ WITNESS: "w:7694" }, "witness"],
  [{ WITNESS: "w:7694", FENCE_METHOD: "ILO" }, "witness"],
  [{ FENCE_METHOD: "LABBMC" }, "strict"],
];
for (const [pool, policy] of policies) {
  test(`policy of ${JSON.stringify(pool)} is ${policy}`, () => assert.equal(run(pool).config.core.policy, policy));
}

test("every policy has its sentence, and those that rest on the vote say that it is not fencing", () => {
  for (const policy of ["vote", "strict+vote"] as const) assert.match(policyNote(policy), /not fencing/);
  for (const policy of ["strict", "witness"] as const) assert.doesNotMatch(policyNote(policy), /not fencing/);
});

test("FENCE_QUORUM_REQUIRED=0 is honoured with STRICT only", () => {
  assert.equal(run({ FENCE_QUORUM_REQUIRED: "0" }).config.core.quorumRequired, true);
  assert.equal(run({ FENCE_QUORUM_REQUIRED: "0", FENCE_METHOD: "ILO" }).config.core.quorumRequired, false);
  assert.equal(
    run({ FENCE_QUORUM_REQUIRED: "0", FENCE_METHOD: "ILO", FENCE_HA_ONFAIL: "1" }).config.core.quorumRequired,
    true,
  );
});

const H = { FENCE_HEURISTICS_IPS: "192.168.1.253" };
const enabling: readonly (readonly [string, Record<string, string>, RegExp | null])[] = [
  ["POOL with heuristics", H, null],
  ["POOL without heuristics (A3)", {}, /\(A3\)/],
  ["POOL with heuristics switched off (A3)", { ...H, FENCE_USE_IP_HEURISTICS: "0" }, /\(A3\)/],
  ["POOL without heuristics but with a witness", { WITNESS: "w:7694" }, null],
  ["a fence device with heuristics", { ...H, FENCE_METHOD: "ILO" }, null],
  ["a fence device that needs a vote nobody can give", { FENCE_METHOD: "ILO" }, /D14/],
  ["a fence device without quorum", { FENCE_METHOD: "ILO", FENCE_QUORUM_REQUIRED: "0" }, null],
  [
    "a fence device with a fall-back to a vote nobody can give",
    { FENCE_METHOD: "ILO", FENCE_HA_ONFAIL: "1" },
    /fall-back/,
  ],
  ["fast timers on the vote", { ...H, TIMER_PROFILE: "fast" }, /TIMER_PROFILE=fast/],
  [
    "fast timers with a fall-back to the vote",
    { ...H, TIMER_PROFILE: "fast", FENCE_METHOD: "ILO", FENCE_HA_ONFAIL: "1" },
    /TIMER_PROFILE=fast/,
  ],
  ["fast timers with a fence device", { ...H, TIMER_PROFILE: "fast", FENCE_METHOD: "ILO" }, null],
  ["fast timers with a witness", { TIMER_PROFILE: "fast", WITNESS: "w:7694" }, null],
];
for (const [what, pool, pattern] of enabling) {
  test(`enable ${pattern === null ? "accepts" : "refuses"} ${what}`, () => {
    const refusals = enableRefusals(run(pool).config);
    if (pattern === null) assert.deepEqual(refusals, []);
    else {
      assert.equal(refusals.length, 1, refusals.join("\n"));
      assert.match(refusals[0] ?? "", pattern);
    }
  });
}

test("enable refuses a host without watchdog (A6) and an agent slower than T_FDELAY allows (I-h)", () => {
  const local = sampleFile(SAMPLE.replace("storage:\n", "storage:\n  WATCHDOG_DEVICE: ()\n"), INVENTORY);
  assert.match(enableRefusals(run(H, { local }).config).join(), /A6/);
  assert.match(enableRefusals(run(H).config, { measuredOffMs: 900 }).join(), /I-h/);
});

test("warnings name a pool below FENCE_MIN_HOSTS, fencing switched off, and FENCE_HA_ONFAIL", () => {
  assert.match(policyWarnings(run({ FENCE_MIN_HOSTS: "3" }).config).join(), /FENCE_MIN_HOSTS is 3/);
  assert.match(policyWarnings(run({ FENCE_ENABLED: "0" }).config).join(), /FENCE_ENABLED=0/);
  assert.match(policyWarnings(run({ FENCE_METHOD: "ILO", FENCE_HA_ONFAIL: "1" }).config).join(), /dangerous/);
});

/** Seed 000, part 7, "Auto-Start VMs – Without Host High Availability", as an administrator would type it in. */
const AUTO_START: Readonly<Record<string, string>> = {
  DISABLED_VAPPS: "()",
  FENCE_ACTION: "stop",
  FENCE_ENABLED: "0",
  FENCE_HA_ONFAIL: "0",
  FENCE_HEURISTICS_IPS: "",
  FENCE_HOST_FORGET: "0",
  FENCE_IPADDRESS: "",
  FENCE_METHOD: "POOL",
  FENCE_MIN_HOSTS: "3",
  FENCE_PASSWD: "",
  FENCE_QUORUM_REQUIRED: "0",
  FENCE_REBOOT_LONE_HOST: "0",
  FENCE_USE_IP_HEURISTICS: "0",
  GLOBAL_VM_HA: "1",
  MONITOR_DELAY: "45",
  MONITOR_KILLALL: "1",
  MONITOR_MAX_STARTS: "40",
  MONITOR_SCANRATE: "10",
  OP_MODE: "2",
  PROMOTE_SLAVE: "0",
  SLAVE_HA: "0",
  SLAVE_VM_STAT: "1",
  XAPI_COUNT: "5",
  XAPI_DELAY: "15",
  XE_TIMEOUT: "10",
};

test("the profile without host HA is accepted whole, and says what it does not do", () => {
  const { config } = run(AUTO_START);
  assert.deepEqual(config.problems, []);
  assert.deepEqual(enableRefusals(config), []);
  assert.match(config.policyNote, /a lost host is left alone/);
  assert.deepEqual(policyWarnings(config), [config.policyNote]);
  // A3 as soon as a lost host is to be acted on.
  assert.match(enableRefusals(run({ ...AUTO_START, FENCE_ENABLED: "1" }).config).join(), /A3/);
});

test("three hosts without storage of ours need no heuristic address: a majority of them is the vote", () => {
  const third = "33333333-3333-4333-8333-333333333333";
  const entry = `  - { uuid: ${third}, name: xcp3, management: 192.168.1.243, replication: 10.10.10.4 }\n`;
  const text = SAMPLE.replace(/storage:[\s\S]*?(?=overrides:)/, entry);
  const { config } = run({}, { local: sampleFile(text) });
  assert.deepEqual(enableRefusals(config), []);
  assert.match(config.policyNote, /majority/);
  assert.deepEqual(policyWarnings(config), []);
});

const hash = (pool: Record<string, string> = {}, more: Partial<EffectiveInput> = {}): string =>
  run(pool, more).config.core.cfgHash;

test("cfgHash is the same on both hosts, whatever each overrides", () => {
  const other = sampleFile(SAMPLE.replace("SLAVE_VM_STAT: 1", "OP_MODE: 1"), {
    hostId: XCP2,
    managementInterface: null,
  });
  assert.equal(hash(), hash({}, { local: other }));
  assert.match(hash(), /^[0-9a-f]{64}$/);
});

test("cfgHash is of the values in force, not of how they were written", () => {
  assert.equal(hash(), hash({ TIMER_PROFILE: "Balanced", T_DEAD: "3000ms", FENCE_HEURISTICS_IPS: "()" }));
  assert.equal(
    hash({ FENCE_HEURISTICS_IPS: "10.0.0.8:10.0.0.9" }),
    hash({ FENCE_HEURISTICS_IPS: "10.0.0.9:10.0.0.8" }),
  );
});

const differing: readonly (readonly [string, Record<string, string>])[] = [
  ["a timer", { T_HB: "0.3" }],
  ["the profile", { TIMER_PROFILE: "conservative" }],
  ["the method", { FENCE_METHOD: "ILO" }],
  ["the fall-back", { FENCE_METHOD: "ILO", FENCE_HA_ONFAIL: "1" }],
  ["heuristics", { FENCE_HEURISTICS_IPS: "10.0.0.9" }],
  ["the witness", { WITNESS: "w:7694" }],
  ["another witness", { WITNESS: "v:7694" }],
  ["fencing off", { FENCE_ENABLED: "0" }],
  ["least hosts", { FENCE_MIN_HOSTS: "1" }],
  ["the lone host's reboot", { FENCE_REBOOT_LONE_HOST: "1" }],
  ["a grace", { MGT_LINK_LOSS_TOLERANCE: "30" }],
  ["leaving", { LEAVE_POLICY: "shutdown" }],
];
test("cfgHash tells any two of these apart: timers, policy, heuristics, key, resources, hosts, LUN identifiers", () => {
  const changed = (from: string, to: string): string => hash({}, { local: sampleFile(SAMPLE.replaceAll(from, to)) });
  const hashes = [
    hash(),
    ...differing.map(([, pool]) => hash(pool)),
    hash({}, { keyId: "key-2" }),
    changed("iscsi1", "iscsi9"),
    changed("0000000001", "0000000002"),
    changed("10.10.10.3", "10.10.10.4"),
    changed("10.10.10.2", "10.10.10.9"),
  ];
  assert.equal(new Set(hashes).size, hashes.length);
});

test("a parameter that is no A24 parameter does not change cfgHash", () => {
  assert.equal(hash(), hash({ MAIL_TO: "a@b", MONITOR_DELAY: "99", FENCE_PASSWD: "x" }));
});

test("a change is judged before it is written; existing problems are not held against it", () => {
  assert.deepEqual(refusalsOfChanges(input(), { MONITOR_DELAY: "20" }), []);
  assert.match(refusalsOfChanges(input(), { MONITOR_DELAY: "x" }).join(), /found "x"/);
  assert.match(refusalsOfChanges(input(), { T_DEAD: "9" }).join(), /I-b/);
  assert.deepEqual(refusalsOfChanges(input(), { T_DEAD: "9", LEASE: "11", T_TAKE: "20" }), []);
  assert.deepEqual(refusalsOfChanges(input({ OP_MODE: "9" }), { MONITOR_DELAY: "20" }), []);
  assert.deepEqual(refusalsOfChanges(input({ monitor_delay: "x" }), { MONITOR_DELAY: "20" }), []);
  assert.match(refusalsOfChanges(input(), { FENCE_METOD: "ILO" }).join(), /did you mean FENCE_METHOD/);
});

test("the storage part mails with the shared values unless told otherwise", () => {
  assert.deepEqual(run({ MAIL_TO: "a@b" }).config.alerts.storageMail.to, ["a@b"]);
  const local = sampleFile(
    SAMPLE.replace("storage:\n", "storage:\n  MAIL_USE_SHARED_PARAMS: 0\n  MAIL_TO: s@t,u@v\n"),
    INVENTORY,
  );
  const { alerts } = run({ MAIL_TO: "a@b" }, { local }).config;
  assert.deepEqual([alerts.mail.to, alerts.storageMail.to], [["a@b"], ["s@t", "u@v"]]);
});

test("LOG_, MAIL_ and PRIORITY_ reach their area", () => {
  const { areas } = run({ LOG_vm_mon: "0", MAIL_FENCE: "0", PRIORITY_write_pool_state: "5" }).config;
  assert.deepEqual(areas["vm_mon"], { log: false, mail: true, priority: 3 });
  assert.deepEqual(areas["fence"], { log: true, mail: false, priority: 3 });
  assert.deepEqual(areas["write_pool_state"], { log: false, mail: true, priority: 5 });
});

const storage = run().config.storage ?? assert.fail();
const floating: readonly (readonly [string, Parameters<typeof checkFloatingIp>[1], RegExp | null])[] = [
  ["inside the interface's network", [{ address: "10.10.10.1", prefix: 24 }], null],
  [
    "inside the second of two networks",
    [
      { address: "172.16.0.1", prefix: 16 },
      { address: "10.10.10.1", prefix: 24 },
    ],
    null,
  ],
  [
    "present already",
    [
      { address: "10.10.10.1", prefix: 24 },
      { address: "10.10.10.3", prefix: 32 },
    ],
    null,
  ],
  [
    "outside the interface's network",
    [{ address: "10.10.10.129", prefix: 25 }],
    /DRBD_VIRTUAL_IP: found 10\.10\.10\.3, expected an address inside the network of repl/,
  ],
  ["on an interface with IPv6 only", [{ address: "fe80::1", prefix: 64 }], /no address on repl/],
  ["alone on the interface", [{ address: "10.10.10.3", prefix: 32 }], /no address on repl/],
  ["without the interface", null, /no interface repl/],
];
for (const [what, addresses, pattern] of floating) {
  test(`a floating IP ${what} is ${pattern === null ? "accepted" : "refused"}`, () => {
    const found = checkFloatingIp(storage, addresses).map(describeProblem);
    if (pattern === null) assert.deepEqual(found, []);
    else assert.match(found.join(), pattern);
  });
}

test("DRBD resources and devices that are not in DRBD's configuration are named", () => {
  assert.deepEqual(checkResources(storage, [{ name: "iscsi1", devices: ["/dev/drbd1"] }]), []);
  assert.match(
    checkResources(storage, []).map(describeProblem).join(),
    /no DRBD resource "iscsi1", expected one of those in DRBD's configuration \(none\)/,
  );
  assert.match(
    checkResources(storage, [{ name: "iscsi1", devices: ["/dev/drbd0"] }])
      .map(describeProblem)
      .join(),
    /\/dev\/drbd1, expected the device of resource "iscsi1" \(\/dev\/drbd0\)/,
  );
});
