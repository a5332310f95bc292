// The configuration of a running daemon: what is taken up, what is refused with a reason, and what stays in force.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../../../src/config/config.ts";
import { takeoverForbidden } from "../../../src/core/facts.ts";
import { openSettings, type Settings, type SettingsHooks } from "../../../src/daemon/settings/settings.ts";
import { lookAtStorage, type StorageEyes } from "../../../src/daemon/settings/storage-facts.ts";
import type { ConfiguredResource } from "../../../src/drivers/drbd/port.ts";
import { err, ok } from "../../../src/util/result.ts";
import { servingWorld } from "../../sim/world.ts";
import { SAMPLE, XCP1 } from "../../config/sample.ts";

const folder = await mkdtemp(join(tmpdir(), "tandem-settings-"));
const open: Settings[] = [];
after(async () => {
  await Promise.all(open.map((one) => one.stop()));
  await rm(folder, { recursive: true, force: true });
});

const SAFE = { fencing: "resource-and-stonith", "fence-peer": "/opt/tandem/agents/drbd/fence-peer" };
const QUICK = { timeoutMs: 900, pingIntMs: 1000, pingTimeoutMs: 500, connectIntMs: 1000 };

/** A host whose storage can be bent by the test. */
class Host {
  addresses: { address: string; prefix: number }[] | null = [{ address: "10.10.10.1", prefix: 24 }];
  resources: readonly ConfiguredResource[] = [
    { name: "iscsi1", devices: ["/dev/drbd1"], timings: QUICK, options: SAFE },
  ];
  drbdadm: string | null = null;
  looks = 0;
  ha = false;
  changes = 0;
  refused: (readonly string[])[] = [];
  exposed: string[] = [];
  unkept: string[] = [];
  readonly eyes: StorageEyes = {
    addressesOf: async () => ok(this.addresses),
    drbd: {
      configured: async () =>
        this.drbdadm === null
          ? ok(this.resources)
          : err({ kind: "missing", command: "drbdadm dump", reason: this.drbdadm }),
    },
  };
  readonly hooks: SettingsHooks = {
    look: (config: Config) => {
      this.looks += 1;
      return lookAtStorage(config, this.eyes);
    },
    haIsOn: () => this.ha,
    onChange: () => void (this.changes += 1),
    onRefused: (reasons) => void this.refused.push(reasons),
    onUnkept: (reason) => void this.unkept.push(reason),
    onOpenSecrets: (found) => void this.exposed.push(...found.map((one) => one.name)),
  };
}

let count = 0;
const GOOD_POOL = { "tandem:FENCE_HEURISTICS_IPS": "192.168.1.253" };

interface Started {
  readonly settings: Settings;
  readonly host: Host;
  readonly at: string;
  readonly path: string;
  readonly cachePath: string;
  readonly copyPath: string;
}

/** The files of one host, in a folder of its own. */
const filesIn = (at: string) => ({
  path: join(at, "tandem.yaml"),
  inventoryPath: join(at, "inventory"),
  cachePath: join(at, "cache.json"),
  copyPath: join(at, "var", "tandem.yaml.good"),
});

const openIn = (at: string): ReturnType<typeof openSettings> =>
  openSettings({ ...filesIn(at), keyIdOf: () => "key-1", settleMs: 20, recheckMs: 50 });

async function startedIn(at: string, host: Host): Promise<Started> {
  const opened = await openIn(at);
  assert.ok(opened.ok);
  open.push(opened.value);
  opened.value.start(host.hooks);
  opened.value.poolChanged(GOOD_POOL);
  await opened.value.reconsider();
  return { settings: opened.value, host, at, ...filesIn(at) };
}

async function started(host = new Host()): Promise<Started> {
  count += 1;
  const at = join(folder, String(count));
  await mkdir(at);
  const { path, inventoryPath } = filesIn(at);
  await writeFile(inventoryPath, `INSTALLATION_UUID='${XCP1}'\n`);
  await writeFile(path, SAMPLE, { mode: 0o600 });
  return startedIn(at, host);
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    if (holds()) return;
    await sleep(20);
  }
  assert.fail(`not within 4 s: ${what}`);
}

const errorsOf = (settings: Settings): string =>
  settings
    .config()
    .problems.filter((one) => one.severity === "error")
    .map((one) => `${one.path}: found ${one.found}; ${one.action}`)
    .join("\n");

const withDelay = (seconds: number): string => SAMPLE.replace("storage:\n", `storage:\n  MONITOR_DELAY: ${seconds}\n`);
const delay = (settings: Settings): number =>
  1_000 *
  Number(
    settings.config().parameters.find(({ scope, name }) => scope === "storage" && name === "MONITOR_DELAY")?.value,
  );

test("a sound configuration: no problem, armed, and DRBD's own timings at hand for the inequalities", async () => {
  const { settings } = await started();
  assert.equal(errorsOf(settings), "");
  assert.equal(settings.core().disarmed, undefined);
  assert.deepEqual(settings.timings(), [{ drbd: QUICK }]);
});

const starts: readonly (readonly [string, (host: Host) => void, RegExp])[] = [
  [
    "a floating IP outside the network of its device",
    (h) => (h.addresses = [{ address: "10.99.0.1", prefix: 24 }]),
    /DRBD_VIRTUAL_IP: found 10\.10\.10\.3; choose a free address/,
  ],
  [
    "a replication device that does not exist",
    (h) => (h.addresses = null),
    /DRBD_INTERFACE: found no interface repl; see `ip addr show`/,
  ],
  [
    "a replication device without address",
    (h) => (h.addresses = []),
    /DRBD_INTERFACE: found no address on repl; configure/,
  ],
  [
    "a DRBD resource that is not configured",
    (h) => (h.resources = []),
    /DRBD_RESOURCES: found no DRBD resource "iscsi1"; correct the name/,
  ],
  [
    "a LUN on another device",
    (h) => (h.resources = [{ name: "iscsi1", devices: ["/dev/drbd7"], timings: QUICK, options: SAFE }]),
    /LUNS \(LUN 10\): found \/dev\/drbd1/,
  ],
  [
    "a DRBD resource whose writes would not wait",
    (h) =>
      (h.resources = [{ name: "iscsi1", devices: ["/dev/drbd1"], timings: QUICK, options: { fencing: "dont-care" } }]),
    /DRBD resource "iscsi1", fencing: found dont-care; write it into the section net/,
  ],
  [
    "a drbdadm that is not there",
    (h) => (h.drbdadm = "ENOENT"),
    /DRBD's configuration: found drbdadm dump cannot be started: ENOENT; run `drbdadm dump all`/,
  ],
];
for (const [name, bend, expected] of starts) {
  test(`at start, ${name}: the daemon runs, HA cannot be enabled and nothing is taken over, until it is mended`, async () => {
    const host = new Host();
    bend(host);
    const { settings } = await started(host);
    assert.match(errorsOf(settings), expected);
    assert.match(settings.core().disarmed ?? "", /the configuration of this host has errors/);
    const { state } = servingWorld();
    assert.match(
      takeoverForbidden({
        ...state("b"),
        config: { ...state("b").config, disarmed: settings.core().disarmed ?? "" },
      }) ?? "",
      /has errors/,
    );
    Object.assign(host, { addresses: new Host().addresses, resources: new Host().resources, drbdadm: null });
    await until("the problem is gone by itself", () => errorsOf(settings) === "");
    assert.equal(settings.core().disarmed, undefined);
  });
}

test("a changed file is taken up", async () => {
  const { settings, host, path } = await started();
  await writeFile(path, withDelay(7));
  await until("the new value", () => delay(settings) === 7000);
  assert.deepEqual(host.refused, []);
});

const broken: readonly (readonly [string, string, RegExp])[] = [
  ["malformed YAML", "pool: [", /Cannot use the YAML text \(line 1\)/],
  ["half a file", SAMPLE.slice(0, SAMPLE.indexOf("storage:") + 30), /Cannot use /],
  ["an empty file", "", /Cannot use /],
  ["an unknown parameter", SAMPLE.replace("TARGET_IQN", "TARGET_NQI"), /did you mean TARGET_IQN/],
  ["a value of the wrong type", withDelay(0), /MONITOR_DELAY \(line \d+\): found "0", expected seconds from 1 to 3600/],
  ["a list where a text belongs", SAMPLE.replace("DRBD_INTERFACE: repl", "DRBD_INTERFACE: [a, b]"), /DRBD_INTERFACE/],
  ["a timer for one host", SAMPLE.replace("SLAVE_VM_STAT: 1", "T_TAKE: 3"), /one value for the whole pool \(A24\)/],
  ["the floating IP of a host", SAMPLE.replace("10.10.10.3", "10.10.10.2"), /the address of host xcp2/],
  ["another floating IP", SAMPLE.replace("10.10.10.3", "10.10.10.9"), /takes effect only at a start of the daemon/],
  ["a pool without peer", SAMPLE.replace(/ {2}- uuid: 2222[\s\S]*?(?=storage)/, ""), /two hosts; a pool without peer/],
];
for (const [name, text, expected] of broken) {
  test(`at reload, ${name}: refused with the reason, and the last good file stays in force`, async () => {
    const { settings, host, path } = await started();
    const before = JSON.stringify(settings.core());
    await writeFile(path, text);
    await until("the refusal", () => host.refused.length > 0);
    assert.match(host.refused[0]?.join("\n") ?? "", expected);
    assert.equal(JSON.stringify(settings.core()), before);
    assert.equal(settings.core().disarmed, undefined);
    await writeFile(path, withDelay(9));
    await until("the corrected file", () => delay(settings) === 9000);
    assert.deepEqual(host.refused.at(-1), []);
  });
}

test("a file that vanishes keeps the last good one in force; it is taken up when it is back", async () => {
  const { settings, host, path } = await started();
  await rename(path, `${path}.away`);
  await until("the refusal", () => host.refused.length > 0);
  assert.match(host.refused[0]?.join() ?? "", /no such file/);
  assert.equal(settings.config().storage?.vip.address, "10.10.10.3");
  await writeFile(`${path}.away`, withDelay(8), { mode: 0o600 });
  await rename(`${path}.away`, path);
  await until("the new file", () => delay(settings) === 8000);
  assert.deepEqual(host.refused.at(-1), []);
});

const worn: readonly (readonly [string, (path: string) => Promise<void>, RegExp])[] = [
  ["malformed YAML", (path) => writeFile(path, "pool: ["), /Cannot use the YAML text/],
  ["no file at all", (path) => rm(path), /no such file/],
  ["a file that anybody can write", (path) => chmod(path, 0o666), /a file that only root can write/],
];
for (const [name, wear, expected] of worn) {
  test(`a restart with ${name}: the last good copy is in force, disarmed with the reason, until the file is mended`, async () => {
    const before = await started();
    await until("the copy", () => existsSync(before.copyPath));
    assert.equal((await stat(before.copyPath)).mode & 0o777, 0o600);
    await before.settings.stop();
    await wear(before.path);

    const { settings, host, path } = await startedIn(before.at, new Host());
    assert.equal(settings.config().storage?.vip.address, "10.10.10.3");
    assert.match(settings.core().disarmed ?? "", expected);
    assert.match(errorsOf(settings), /its last good copy .*tandem\.yaml\.good is in force/);
    assert.equal(await readFile(before.copyPath, "utf8"), SAMPLE);

    // The very content of the copy counts as mended too.
    await rm(path, { force: true });
    await writeFile(path, SAMPLE, { mode: 0o600 });
    await until("the mended file", () => settings.core().disarmed === undefined);
    assert.equal(errorsOf(settings), "");
    assert.deepEqual(host.refused.at(-1), []);
  });
}

test("a start with a broken file and no good copy ends with the reason", async () => {
  const { settings, at, path, copyPath } = await started();
  await until("the copy", () => existsSync(copyPath));
  await settings.stop();
  await writeFile(path, "pool: [");
  await writeFile(copyPath, "pool: [");
  const opened = await openIn(at);
  assert.ok(!opened.ok);
  assert.match(opened.error.join(), /Cannot use the YAML text \(line 1\)/);
});

test("the copy follows the file in force, never a refused one; a disk that takes it not is told", async () => {
  const { settings, host, path, copyPath } = await started();
  await writeFile(path, "pool: [");
  await until("the refusal", () => host.refused.length > 0);
  await writeFile(path, withDelay(7));
  await until("the new value", () => delay(settings) === 7000);
  await until("the copy", () => readFileSync(copyPath, "utf8") === withDelay(7));
  await rm(dirname(copyPath), { recursive: true });
  await writeFile(dirname(copyPath), "in the way");
  await writeFile(path, withDelay(8));
  await until("the complaint", () => host.unkept.length > 0);
  assert.match(host.unkept.join(), /Cannot keep the last good tandem.yaml/);
  assert.equal(delay(settings), 8000);
});

test("a refused file does not keep changes of the pool's parameters away", async () => {
  const { settings, host, path } = await started();
  await writeFile(path, SAMPLE.replace("lun: 10", "lun: 12"));
  await until("the refusal", () => host.refused.length > 0);
  settings.poolChanged({ ...GOOD_POOL, "tandem:MAIL_TO": "ops@example.org" });
  await until("the pool's change", () => settings.config().alerts.mail.to[0] === "ops@example.org");
  assert.equal(settings.config().storage?.target.luns[0]?.lun, 10);
});

test("pool values that break an inequality, are of a wrong type or unknown: the last good ones stay, told with names", async () => {
  const { settings, cachePath } = await started();
  const bad = { "tandem:T_TAKE": "4", "tandem:MONITOR_DELAY": "soon", "tandem:MONITOR_DELAI": "3" };
  settings.poolChanged({ ...GOOD_POOL, ...bad });
  await until("the problems", () => settings.config().problems.length >= 3);
  const said = settings.config().problems.map((one) => `${one.path}: ${one.found} ${one.expected} ${one.action}`);
  assert.match(said.join("\n"), /T_TAKE must be at least .* \(I-c\)/);
  assert.match(said.join("\n"), /MONITOR_DELAY: "soon" .*the last good value stays in force; use `ha-cfg set/);
  assert.match(said.join("\n"), /MONITOR_DELAI: an unknown parameter .* did you mean MONITOR_DELAY/);
  assert.equal(settings.core().timers.take, 13_000);
  assert.equal(settings.core().disarmed, undefined);
  assert.doesNotMatch(await readFile(cachePath, "utf8"), /soon/);
});

test("without XAPI and without a last good copy the host is disarmed, and says what to do", async () => {
  const { settings } = await started();
  settings.poolChanged(GOOD_POOL);
  const fresh = await openSettings({
    ...filesIn(join(folder, "1")),
    cachePath: join(folder, "none.json"),
    keyIdOf: () => "key-1",
  });
  assert.ok(fresh.ok);
  assert.match(fresh.value.core().disarmed ?? "", /no answer from XAPI.*xe pool-list/);
});

test("timers that change while HA is on hold in their cautious form until the other host shows the same hash", async () => {
  const { settings, host } = await started();
  host.ha = true;
  settings.poolChanged({ ...GOOD_POOL, "tandem:LEASE": "8", "tandem:T_TAKE": "20" });
  await until("the change", () => settings.config().core.timers.lease === 8000);
  assert.deepEqual([settings.core().timers.lease, settings.core().timers.take], [5000, 20_000]);
  assert.equal(settings.core().cfgHash, settings.config().core.cfgHash);
  settings.peerShows("something else");
  assert.equal(settings.core().timers.lease, 5000);
  settings.peerShows(settings.core().cfgHash);
  assert.equal(settings.core().timers.lease, 8000);
});

test("the policy waits until HA is off, then it is taken up without another event", async () => {
  const { settings, host } = await started();
  host.ha = true;
  settings.poolChanged({ ...GOOD_POOL, "tandem:FENCE_METHOD": "ILO" });
  await until("the refusal", () => host.refused.length > 0);
  assert.match(host.refused[0]?.join() ?? "", /cannot change while HA is on; run `ha-cfg disable`/);
  assert.equal(settings.core().policy, "vote");
  assert.match(settings.refusalsOf({ FENCE_METHOD: "ILO" }).join(), /cannot change while HA is on/);
  host.ha = false;
  await settings.reconsider();
  assert.equal(settings.core().policy, "strict");
  assert.deepEqual(host.refused.at(-1), []);
});

test("an event that changes nothing of ours costs no look at the storage", async () => {
  const { settings, host } = await started();
  const { looks, changes } = host;
  for (let round = 0; round < 50; round += 1) settings.poolChanged({ ...GOOD_POOL });
  settings.poolChanged({ ...GOOD_POOL, "somebody:else": "1" });
  await sleep(50);
  assert.deepEqual([host.looks, host.changes], [looks, changes]);
});

test("a password in the open is handed out to be moved, and is in no text of the configuration", async () => {
  const { settings, host } = await started();
  settings.poolChanged({ ...GOOD_POOL, "tandem:FENCE_PASSWD": "hunter2secret" });
  await until("the find", () => host.exposed.length > 0);
  assert.deepEqual(host.exposed, ["FENCE_PASSWD"]);
  assert.equal(settings.config().fence.password?.reveal(), "hunter2secret");
  assert.doesNotMatch(JSON.stringify(settings.config()), /hunter2secret/);
});
