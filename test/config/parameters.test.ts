import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_AREAS, SEED_AREAS } from "../../src/config/areas.ts";
import { findParameter, parseParameter, PARAMETERS, unknownNameAdvice } from "../../src/config/parameters.ts";
import { formatValue, isAddressOrName, parseHostPort, type Value } from "../../src/config/value.ts";

// Defaults of the specification, part 3; the storage ones have the scope in front.
const DEFAULTS: Readonly<Record<string, string>> = {
  MONITOR_MAX_STARTS: "20",
  MONITOR_KILLALL: "1",
  MONITOR_DELAY: "15",
  MONITOR_SCANRATE: "10",
  XC_FIELD_NAME: "ha-lizard-enabled",
  OP_MODE: "2",
  GLOBAL_VM_HA: "1",
  DISABLED_VAPPS: "",
  ENABLE_LOGGING: "1",
  XE_TIMEOUT: "10",
  XAPI_COUNT: "2",
  XAPI_DELAY: "10",
  PROMOTE_SLAVE: "1",
  SLAVE_HA: "1",
  SLAVE_VM_STAT: "0",
  FENCE_ENABLED: "1",
  FENCE_METHOD: "POOL",
  FENCE_ACTION: "stop",
  FENCE_FILE_LOC: "/etc/tandem/fence",
  FENCE_PASSWD: "",
  FENCE_IPADDRESS: "",
  FENCE_HA_ONFAIL: "0",
  FENCE_HOST_FORGET: "0",
  FENCE_MIN_HOSTS: "2",
  FENCE_QUORUM_REQUIRED: "1",
  FENCE_REBOOT_LONE_HOST: "0",
  FENCE_USE_IP_HEURISTICS: "1",
  FENCE_HEURISTICS_IPS: "",
  HOST_SELECT_METHOD: "0",
  MGT_LINK_LOSS_TOLERANCE: "60",
  LEAVE_POLICY: "migrate",
  ISOLATED_VM_POLICY: "restart",
  EVACUATE_ON_MGT_LOSS: "0",
  CUSTOM_FIELD_SWITCH: "0",
  TIMER_PROFILE: "balanced",
  FAST_DETECT: "1",
  WITNESS: "",
  ENABLE_ALERTS: "1",
  DISK_MONITOR: "1",
  MAIL_ON: "1",
  MAIL_FROM: "root@localhost",
  MAIL_TO: "root@localhost",
  MAIL_SUBJECT: "SYSTEM_ALERT-FROM_HOST:$HOSTNAME",
  SMTP_SERVER: "127.0.0.1",
  SMTP_PORT: "25",
  SMTP_USER: "",
  SMTP_PASS: "",
  MAIL_SCREEN_TIME: "60",
  LOG_write_pool_state: "0",
  LOG_vm_mon: "1",
  MAIL_vm_mon: "1",
  PRIORITY_vm_mon: "3",
};
const STORAGE_DEFAULTS: Readonly<Record<string, string | null>> = {
  DRBD_RESOURCES: null,
  ISCSI_TARGET_SERVICE: "tgtd",
  DRBD_VIRTUAL_IP: null,
  DRBD_INTERFACE: null,
  MONITOR_DELAY: "10",
  MONITOR_MAX_STARTS: "5",
  MONITOR_KILLALL: "1",
  MONITOR_SCANRATE: "5",
  MAIL_USE_SHARED_PARAMS: "1",
};

for (const [name, initial] of Object.entries(DEFAULTS)) {
  test(`${name} has the default of the specification`, () =>
    assert.equal(findParameter("pool", name)?.initial, initial));
}
for (const [name, initial] of Object.entries(STORAGE_DEFAULTS)) {
  test(`storage ${name} has the default of the specification`, () =>
    assert.equal(findParameter("storage", name)?.initial, initial));
}

test("every default is valid and canonical", () => {
  for (const one of PARAMETERS) {
    if (one.initial === null) continue;
    const parsed = parseParameter(one, one.initial);
    assert.ok(parsed.ok, `${one.name}: ${JSON.stringify(parsed)}`);
    assert.equal(formatValue(one.type, parsed.value), one.initial, one.name);
  }
});

test("names are unique in their scope in any case, and described in one line", () => {
  const names = PARAMETERS.map((one) => `${one.scope}:${one.name.toUpperCase()}`);
  assert.equal(new Set(names).size, names.length);
  for (const one of PARAMETERS) assert.ok(one.summary.length > 3 && one.summary.length <= 72, one.name);
});

test("the families have the seed's 20 log names, our own areas, and all three switches each", () => {
  assert.equal(SEED_AREAS.length, 20);
  for (const area of [...SEED_AREAS, ...EVENT_AREAS]) {
    for (const family of ["LOG", "MAIL", "PRIORITY"])
      assert.ok(findParameter("pool", `${family}_${area}`), `${family}_${area}`);
  }
});

test("timers, policy and heuristics cannot be set for one host (A24)", () => {
  for (const one of PARAMETERS.filter((candidate) => candidate.group === "timer" || candidate.group === "policy"))
    assert.equal(one.perHost, false, one.name);
  for (const name of [
    "T_DEAD",
    "LEASE",
    "WATCHDOG",
    "TIMER_PROFILE",
    "WITNESS",
    "FENCE_METHOD",
    "FENCE_HA_ONFAIL",
    "FENCE_HEURISTICS_IPS",
    "FENCE_USE_IP_HEURISTICS",
  ]) {
    assert.equal(findParameter("pool", name)?.perHost, false, name);
  }
  for (const name of ["OP_MODE", "SLAVE_VM_STAT", "PROMOTE_SLAVE", "MAIL_TO"])
    assert.equal(findParameter("pool", name)?.perHost, true, name);
});

const good: readonly (readonly [string, string, Value])[] = [
  ["mail_on", "0", 0],
  ["MAIL_ON", "true", 1],
  ["MAIL_ON", "'1'", 1],
  ["MONITOR_DELAY", "45", 45_000],
  ["MONITOR_DELAY", "0.5min", 30_000],
  ["T_HB", "0.25", 250],
  ["T_HB", "250ms", 250],
  ["T_DEAD", "", null],
  ["MAIL_SCREEN_TIME", "0", 0],
  ["MAIL_SUBJECT", '"SYSTEM ALERT from $HOSTNAME"', "SYSTEM ALERT from $HOSTNAME"],
  ["FENCE_ACTION", "RESET", "reset"],
  ["FENCE_METHOD", "POWEROFF", "POWEROFF"],
  ["FENCE_FILE_LOC", "/etc/ha-lizard/fence", "/etc/ha-lizard/fence"],
  ["DISABLED_VAPPS", "()", []],
  [
    "DISABLED_VAPPS",
    "(11111111-1111-4111-8111-111111111111:22222222-2222-4222-8222-22222222222A)",
    ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-22222222222a"],
  ],
  ["FENCE_HEURISTICS_IPS", "192.168.1.253:gw.example", ["192.168.1.253", "gw.example"]],
  ["FENCE_HEURISTICS_IPS", "[fd00::1]:10.0.0.1", ["fd00::1", "10.0.0.1"]],
  ["FENCE_HEURISTICS_IPS", "fd00::1", ["fd00::1"]],
  ["WITNESS", "w1:7694,[fd00::1]:7694", ["w1:7694", "[fd00::1]:7694"]],
  ["PRIORITY_fence", "0", 0],
  ["MAIL_TO", "a@b,c@d.example", "a@b,c@d.example"],
];
for (const [name, text, value] of good) {
  test(`${name} accepts ${JSON.stringify(text)}`, () => {
    const one = findParameter("pool", name);
    assert.ok(one);
    const parsed = parseParameter(one, text);
    assert.deepEqual(parsed, { ok: true, value });
    assert.deepEqual(
      parseParameter(one, formatValue(one.type, value)),
      { ok: true, value },
      "canonical text reads back",
    );
  });
}

const bad: readonly (readonly [string, string])[] = [
  ["MAIL_ON", "2"],
  ["MAIL_ON", ""],
  ["MONITOR_DELAY", "0"],
  ["MONITOR_DELAY", "-5"],
  ["MONITOR_DELAY", "1e3"],
  ["MONITOR_DELAY", "15 apples"],
  ["MONITOR_DELAY", "NaN"],
  ["XAPI_COUNT", "2.5"],
  ["XAPI_COUNT", "0"],
  ["OP_MODE", "3"],
  ["SMTP_PORT", "65536"],
  ["WATCHDOG", "2.5"],
  ["T_HB", "0.2501"],
  ["T_TAKE", "0"],
  ["FENCE_METHOD", "../../bin"],
  ["FENCE_METHOD", "ilo"],
  ["FENCE_METHOD", ""],
  ["FENCE_METHOD", "A".repeat(33)],
  ["FENCE_ACTION", "shoot"],
  ["FENCE_FILE_LOC", "/tmp"],
  ["FENCE_IPADDRESS", "a b"],
  ["FENCE_IPADDRESS", "$(reboot)"],
  ["FENCE_HEURISTICS_IPS", "192.168.1"],
  ["FENCE_HEURISTICS_IPS", "10.0.0.1::10.0.0.2"],
  ["FENCE_HEURISTICS_IPS", "10.0.0.1:10.0.0.1"],
  ["FENCE_HEURISTICS_IPS", "a;b"],
  ["DISABLED_VAPPS", "x"],
  ["EVACUATE_ON_MGT_LOSS", "1"],
  ["WITNESS", "w1"],
  ["WITNESS", "w1:0"],
  ["WITNESS", "fd00::1:7694"],
  ["MAIL_TO", "nobody"],
  ["MAIL_TO", "a@b\nBcc: c@d"],
  ["MAIL_SUBJECT", "x\r\nBcc: y"],
  ["XC_FIELD_NAME", "a b"],
  ["PRIORITY_fence", "6"],
];
for (const [name, text] of bad) {
  test(`${name} refuses ${JSON.stringify(text)} and says what it expects`, () => {
    const one = findParameter("pool", name);
    assert.ok(one);
    const parsed = parseParameter(one, text);
    assert.equal(parsed.ok, false);
    if (!parsed.ok) assert.ok(parsed.error.found.length > 0 && parsed.error.expected.length > 0);
  });
}

for (const [text, takes] of [
  ["10.10.10.1,10.10.10.0/24,fd00::1", true],
  ["10.10.10.0/33", false],
  ["10.10.300.0/24", false],
  ["fe80::1%eth0", false],
] as const) {
  test(`TARGET_INITIATORS ${takes ? "accepts" : "refuses"} ${text}: the target's rules are made of it`, () => {
    const one = findParameter("storage", "TARGET_INITIATORS");
    assert.ok(one);
    assert.equal(parseParameter(one, text).ok, takes);
  });
}

test("the refused text of a secret is never shown", () => {
  const one = findParameter("pool", "FENCE_PASSWD");
  assert.ok(one);
  assert.doesNotMatch(JSON.stringify(parseParameter(one, "hunter2\nx")), /hunter2/);
});

test("an unknown name is answered with the nearest known one", () => {
  assert.equal(unknownNameAdvice("pool", "FENCE_HEURISTIC_IP"), "did you mean FENCE_HEURISTICS_IPS?");
  assert.match(unknownNameAdvice("pool", "QQQQQQQQQQ"), /ha-cfg get/);
});

test("a mistyped address is not taken for a name", () => {
  assert.equal(isAddressOrName("192.168.1"), false);
  assert.equal(isAddressOrName("192.168.1.256"), false);
  assert.equal(isAddressOrName("gw-1.example.org"), true);
  assert.deepEqual(parseHostPort("[::1]:1"), { host: "::1", port: 1 });
  assert.equal(parseHostPort("[10.0.0.1]:1"), null);
});
