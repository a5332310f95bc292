import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { effectiveConfig } from "../../src/config/effective.ts";
import { parseInventory } from "../../src/config/inventory.ts";
import { parseLocalFile } from "../../src/config/local-file.ts";
import { describeProblem } from "../../src/config/problem.ts";
import { permissionProblem, readLocalFile } from "../../src/config/read-local-file.ts";
import { INVENTORY, SAMPLE, sampleFile, XCP1, XCP2 } from "./sample.ts";

const refusals = (text: string, inventory = INVENTORY): string[] => {
  const parsed = parseLocalFile(text, inventory);
  assert.equal(parsed.ok, false, "the file must be refused");
  return parsed.ok ? [] : parsed.error.map(describeProblem);
};
const change = (from: string, to: string): string => {
  assert.ok(SAMPLE.includes(from), `the sample has no ${from}`);
  return SAMPLE.replace(from, to);
};

test("the sample is read, and this host is found by its inventory", () => {
  const file = sampleFile();
  assert.equal(file.self.name, "xcp1");
  assert.equal(file.peer.name, "xcp2");
  assert.equal(sampleFile(SAMPLE, { ...INVENTORY, hostId: XCP2 }).self.name, "xcp2");
  assert.deepEqual(file.overrides, { SLAVE_VM_STAT: 1 });
  assert.equal(file.storage?.values["MONITOR_DELAY"], 10_000);
  assert.equal(file.storage?.values["PEER_PORT"], 7694);
});

test("identifiers stay text: leading zeros of scsi_id and scsi_sn are kept", () => {
  assert.deepEqual(sampleFile().storage?.luns, [
    { resource: "iscsi1", device: "/dev/drbd1", lun: 10, scsiId: "0000000000", scsiSn: "0000000001" },
  ]);
});

test("parameter names are taken in any case, lists as lists or a:b, quotes are stripped", () => {
  const text = change("DRBD_RESOURCES: iscsi1", "drbd_resources: [iscsi1, iscsi2]").replace(
    "overrides:",
    "    - {resource: iscsi2, device: /dev/drbd2, lun: 11}\noverrides:\n  mail_to: \"'root@here'\"",
  );
  const file = sampleFile(text);
  assert.deepEqual(file.storage?.values["DRBD_RESOURCES"], ["iscsi1", "iscsi2"]);
  assert.equal(file.overrides["MAIL_TO"], "root@here");
  assert.equal(file.storage?.luns[1]?.scsiId, null);
});

test("empty sections and a pool without storage of ours are valid; three hosts then too", () => {
  assert.deepEqual(sampleFile(change("overrides:\n  SLAVE_VM_STAT: 1\n", "overrides:\n")).overrides, {});
  const start = SAMPLE.indexOf("storage:");
  const third =
    "  - uuid: 33333333-3333-4333-8333-333333333333\n    name: xcp3\n    management: 192.168.1.243\n    replication: 10.10.10.4\n";
  const file = sampleFile(SAMPLE.slice(0, start) + third);
  assert.equal(file.storage, null);
  assert.equal(file.hosts.length, 3);
});

test("beside the storage pair there may be members without a copy, and only the pair is asked for storage", () => {
  const third =
    "  - {uuid: 33333333-3333-4333-8333-333333333333, name: xcp3, management: 192.168.1.243, replication: 10.10.10.4, diskless: true}\n";
  const text = change("storage:", `${third}storage:`);
  const file = sampleFile(text);
  assert.deepEqual(
    file.storageHosts.map((host) => host.name),
    ["xcp1", "xcp2"],
  );
  assert.equal(file.peer.name, "xcp2");
  const { core, pool, storage } = effectiveConfig({
    local: file,
    pool: {},
    lastGood: null,
    secrets: {},
    keyId: "1",
  }).config;
  assert.equal(core.peerId, XCP2);
  assert.deepEqual(pool?.storageHosts, [XCP1, XCP2]);
  assert.deepEqual(storage?.target.others, ["10.10.10.2", "192.168.1.243", "10.10.10.4"]);
  assert.equal(pool?.hosts.length, 3);
  assert.equal(pool?.cfgHash, core.cfgHash);
  const pair = effectiveConfig({ local: sampleFile(SAMPLE), pool: {}, lastGood: null, secrets: {}, keyId: "1" }).config;
  assert.equal(pair.pool, null, "two hosts have nobody to vote with");
  assert.deepEqual(pair.storage?.target.others, []);
});

const rows: readonly (readonly [string, string, RegExp])[] = [
  [
    "an unknown key at the top",
    change("overrides:", "overides:"),
    /overides \(line \d+\): found an unknown key.*did you mean overrides\?/,
  ],
  [
    "an unknown key of a host",
    change("    name: xcp2", "    nam: xcp2"),
    /hosts\[1\]\.nam \(line 9\).*did you mean name\?/,
  ],
  [
    "an unknown storage parameter",
    change("DRBD_INTERFACE:", "DRBD_INTERFAC:"),
    /storage\.DRBD_INTERFAC \(line \d+\).*did you mean DRBD_INTERFACE\?/,
  ],
  [
    "a missing storage parameter",
    change("  DRBD_INTERFACE: repl\n", ""),
    /storage\.DRBD_INTERFACE.*found nothing, expected a network device; add it/,
  ],
  ["an unknown override", change("SLAVE_VM_STAT: 1", "SLAVE_VM_STATE: 1"), /did you mean SLAVE_VM_STAT\?/],
  [
    "a pool parameter in the storage section",
    change("  DRBD_INTERFACE", "  OP_MODE: 2\n  DRBD_INTERFACE"),
    /storage\.OP_MODE.*unknown parameter/,
  ],
  [
    "a timer as override",
    change("SLAVE_VM_STAT: 1", "T_DEAD: 4"),
    /overrides\.T_DEAD.*one value for the whole pool \(A24\)/,
  ],
  ["a policy as override", change("SLAVE_VM_STAT: 1", "FENCE_METHOD: ILO"), /overrides\.FENCE_METHOD.*A24/],
  [
    "heuristics as override",
    change("SLAVE_VM_STAT: 1", "FENCE_HEURISTICS_IPS: 1.2.3.4"),
    /overrides\.FENCE_HEURISTICS_IPS.*A24/,
  ],
  [
    "an override out of range",
    change("SLAVE_VM_STAT: 1", "SLAVE_VM_STAT: 7"),
    /overrides\.SLAVE_VM_STAT \(line \d+\): found "7", expected 0 or 1/,
  ],
  [
    "the same parameter in two cases",
    change("SLAVE_VM_STAT: 1", "SLAVE_VM_STAT: 1\n  slave_vm_stat: 0"),
    /SLAVE_VM_STAT twice/,
  ],
  [
    "an override that is a section",
    change("SLAVE_VM_STAT: 1", "SLAVE_VM_STAT: {a: 1}"),
    /overrides\.SLAVE_VM_STAT.*found a section/,
  ],
  ["a host UUID of the wrong form", change(XCP2, "xcp2"), /hosts\[1\]\.uuid \(line 8\): found "xcp2", expected a UUID/],
  [
    "a host address that is no address",
    change("192.168.1.242", "192.168.1.2420"),
    /hosts\[1\]\.management.*expected an IP address/,
  ],
  [
    "the same address twice",
    change("10.10.10.2", "10.10.10.1"),
    /hosts\[1\]\.replication.*also hosts\[0\]\.replication/,
  ],
  ["the same UUID twice", change(XCP2, XCP1), /hosts\[1\]\.uuid.*also hosts\[0\]\.uuid/],
  [
    "a pool without peer",
    SAMPLE.replace(/  - uuid: 2222[\s\S]*?storage:/, "storage:"),
    /hosts.*a list of 1.*cannot fail over/,
  ],
  [
    "three hosts with storage",
    change(
      "storage:",
      "  - {uuid: 33333333-3333-4333-8333-333333333333, name: xcp3, management: 192.168.1.243, replication: 10.10.10.4}\nstorage:",
    ),
    /found 3 hosts, expected exactly two hosts for replicated storage.*diskless: true/,
  ],
  [
    "a pair of which one host holds nothing",
    change("    replication: 10.10.10.2\n", "    replication: 10.10.10.2\n    diskless: true\n"),
    /found 1 hosts, expected exactly two hosts for replicated storage/,
  ],
  [
    "a floating IP that is a host's",
    change("10.10.10.3", "10.10.10.2"),
    /DRBD_VIRTUAL_IP.*found 10\.10\.10\.2, the address of host xcp2/,
  ],
  [
    "a floating IP outside its own network",
    change("10.10.10.3", "10.10.11.3"),
    /DRBD_VIRTUAL_IP.*10\.10\.11\.3\/24, expected the network of xcp1/,
  ],
  [
    "a floating IP of another family",
    change("10.10.10.3", "fd00::3").replace("  DRBD_VIRTUAL_MASK: 255.255.255.0\n", ""),
    /DRBD_VIRTUAL_IP.*address family/,
  ],
  ["a floating IP that is none", change("10.10.10.3", "10.10.10"), /DRBD_VIRTUAL_IP.*expected an IPv4 or IPv6 address/],
  ["a mask with holes", change("255.255.255.0", "255.0.255.0"), /DRBD_VIRTUAL_MASK.*expected a netmask/],
  [
    "a LUN of no resource",
    change("- resource: iscsi1", "- resource: iscsi2"),
    /LUNS\[0\]\.resource.*one of DRBD_RESOURCES \(iscsi1\)/,
  ],
  [
    "a resource without LUN",
    change("DRBD_RESOURCES: iscsi1", "DRBD_RESOURCES: iscsi1:iscsi2"),
    /no LUN of resource "iscsi2"/,
  ],
  [
    "no LUNs",
    SAMPLE.replace(/  LUNS:[\s\S]*overrides:/, "overrides:"),
    /storage\.LUNS.*found nothing, expected a list of LUNs/,
  ],
  ["LUN 0", change("lun: 10", "lun: 0"), /LUNS\[0\]\.lun.*expected a LUN from 1 to 255/],
  ["a device that is no device", change("/dev/drbd1", "drbd1"), /LUNS\[0\]\.device.*expected a device/],
  [
    "a LUN number twice",
    change("overrides:", "    - {resource: iscsi1, device: /dev/drbd2, lun: 10}\noverrides:"),
    /LUNS\[1\]\.lun.*LUN 10 twice/,
  ],
  [
    "a scsi_id twice",
    change("overrides:", "    - {resource: iscsi1, device: /dev/drbd2, lun: 11, scsi_id: 0000000000}\noverrides:"),
    /LUNS\[1\]\.scsi_id.*twice/,
  ],
  ["a wrong IQN", change("iqn.2026-11.lab.tandem:iscsi1", "iqn.lab"), /TARGET_IQN.*expected an iSCSI name/],
  [
    "a privileged port",
    change("  DRBD_INTERFACE", "  PEER_PORT: 694\n  DRBD_INTERFACE"),
    /PEER_PORT.*from 1024 to 32767/,
  ],
  ["an empty file", "", /the file: found nothing/],
  ["a list instead of sections", "- a\n", /the file \(line 1\): found a list of 1/],
  ["a tab as indent", "pool:\n\tuuid: x\n", /the YAML text \(line 2\)/],
  ["an open bracket", change("iscsi1\n", "[iscsi1\n"), /the YAML text \(line \d+\)/],
  [
    "the same key twice",
    change("overrides:", "pool:\n  uuid: x\noverrides:"),
    /the YAML text \(line \d+\): found Map keys must be unique/,
  ],
  [
    "an alias that multiplies",
    "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c]\n",
    /the YAML text.*expected a file without aliases/,
  ],
];
for (const [what, text, pattern] of rows) {
  test(`${what} is refused with place, found and expected`, () => {
    const found = refusals(text);
    assert.ok(
      found.some((one) => pattern.test(one)),
      found.join("\n"),
    );
  });
}

test("all problems are reported at once, none twice, and nothing of the file is used", () => {
  const text = change("DRBD_INTERFACE:", "DRBD_INTERFAC:")
    .replace("SLAVE_VM_STAT: 1", "T_DEAD: 4")
    .replace("name: xcp2", "nam: xcp2")
    .replace("lun: 10", "lun: 1000");
  const found = refusals(text);
  assert.equal(found.length, 6, found.join("\n"));
  assert.equal(new Set(found).size, 6);
});

test("a host that is not in the list is told so", () => {
  const inventory = { hostId: "99999999-9999-4999-8999-999999999999", managementInterface: null };
  assert.match(refusals(SAMPLE, inventory).join(), /no host with UUID 99999999.*INSTALLATION_UUID/);
});

test("a password in the file is never shown", () => {
  const found = refusals(change("SLAVE_VM_STAT: 1", 'FENCE_PASSWD: "hunter2\\nx"')).join();
  assert.match(found, /overrides\.FENCE_PASSWD/);
  assert.doesNotMatch(found, /hunter2/);
});

test("the inventory is read as data", () => {
  const good = parseInventory(
    `PRODUCT='x'\nINSTALLATION_UUID='${XCP1.toUpperCase()}'\nMANAGEMENT_INTERFACE='xenbr0'\n`,
  );
  assert.deepEqual(good, { ok: true, value: { hostId: XCP1, managementInterface: "xenbr0" } });
  const odd = parseInventory(`INSTALLATION_UUID='${XCP1}'\nMANAGEMENT_INTERFACE='$(reboot)'\n`);
  assert.ok(odd.ok && odd.value.managementInterface === null);
  const none = parseInventory("X=1\n");
  assert.ok(!none.ok && none.error[0]?.found === "nothing");
});

const permissions: readonly (readonly [string, number, number, boolean, RegExp | null])[] = [
  ["root, 0600", 0, 0o100600, true, null],
  ["root, 0644, no secret", 0, 0o100644, false, null],
  ["root, 0644 with a secret", 0, 0o100644, true, /mode 0644 and a password inside/],
  ["root, 0640 with a secret", 0, 0o100640, true, /password/],
  ["writable by the group", 0, 0o100660, false, /mode 0660/],
  ["writable by others", 0, 0o100602, false, /mode 0602/],
  ["of another user", 1234, 0o100600, false, /owner 1234/],
];
for (const [what, uid, mode, hasSecrets, pattern] of permissions) {
  test(`permissions: ${what} is ${pattern === null ? "accepted" : "refused"}`, () => {
    const found = permissionProblem("/etc/tandem/tandem.yaml", { uid, mode }, 0, hasSecrets);
    if (pattern === null) assert.equal(found, null);
    else assert.match(found === null ? "" : describeProblem(found), pattern);
  });
}

test("reads from disk: missing file, missing inventory, a secret others can read, an oversized file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tandem-local-"));
  try {
    const [path, inventory] = [join(folder, "tandem.yaml"), join(folder, "inventory")];
    const both = await readLocalFile(path, inventory);
    assert.ok(!both.ok && both.error.length === 2 && both.error.every((one) => one.found === "no such file"));
    await writeFile(inventory, `INSTALLATION_UUID='${XCP1}'\n`);
    await writeFile(path, SAMPLE.replace("SLAVE_VM_STAT: 1", "SMTP_PASS: hunter2"), { mode: 0o644 });
    await chmod(path, 0o644);
    const open = await readLocalFile(path, inventory);
    assert.ok(!open.ok && open.error[0]?.action.includes("chmod 600"));
    await chmod(path, 0o600);
    assert.ok((await readLocalFile(path, inventory)).ok);
    await writeFile(path, "#".repeat(300_000));
    const big = await readLocalFile(path, inventory);
    assert.ok(!big.ok && big.error[0]?.expected === "at most 262144 bytes");
    const directory = await readLocalFile(folder, inventory);
    assert.ok(!directory.ok);
  } finally {
    await rm(folder, { recursive: true });
  }
});
