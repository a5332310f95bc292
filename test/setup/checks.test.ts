// The preflight and what people read of a plan: each fault of a host has its sentence and its next step, within 80 columns.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import type { CliContext } from "../../src/cli/context.ts";
import { collectAnswers, contradictions } from "../../src/cli/iscsi-cfg/setup-answers.ts";
import { planLines } from "../../src/cli/iscsi-cfg/setup-text.ts";
import type { Check } from "../../src/drivers/control/answers.ts";
import { storageChecks } from "../../src/setup/checks.ts";
import type { HostFacts, HostIdentity } from "../../src/setup/facts.ts";
import { planHost } from "../../src/setup/plan/plan.ts";
import { show } from "../../src/setup/plan/step.ts";
import { openFirewall, rulesOf } from "../../src/setup/texts/firewall.ts";
import { editLvm } from "../../src/setup/texts/lvm.ts";
import { ANSWERS, BLANK_DISK, facts, files, IPTABLES, LVM_CONF, RECORD, SECRET, XCP1, XCP2 } from "./samples.ts";
import { sampleView } from "../drivers/drbd/sample-view.ts";

const [self, peer] = ANSWERS.hosts;
const checks = (changes: Partial<HostFacts>): ReadonlyMap<string, Check> =>
  new Map(storageChecks({ record: RECORD, self, peer, facts: facts(changes) }).map((one) => [one.id, one]));
const WELL: Partial<HostFacts> = {
  files: files({
    "/etc/lvm/lvm.conf": editLvm(LVM_CONF, { ...BLANK_DISK, drbdDevice: "/dev/drbd1" }),
    "/etc/sysconfig/iptables": openFirewall(IPTABLES, rulesOf(ANSWERS, peer, "iptables")),
    "/etc/drbd.d/iscsi1.res": "",
  }),
  services: [{ unit: "drbd", isEnabled: false, isActive: true }],
  view: sampleView(),
};

test("a host as a setup leaves it passes every check", () => {
  const found = [...checks(WELL).values()];
  assert.ok(
    found.every(({ outcome, next }) => (outcome === "ok" || outcome === "skipped") && next === ""),
    JSON.stringify(found),
  );
});

test("each fault has its check, its words and its next step", () => {
  const faults: readonly (readonly [id: string, Partial<HostFacts>, RegExp])[] = [
    ["disk", { view: null }, /no metadata of DRBD: it was replaced.*replace-disk/],
    ["disk", { view: null, disk: { fault: "/dev/sdb cannot be read: timeout" } }, /cannot be read/],
    ["disk", { view: null, files: files() }, /no DRBD resource iscsi1.*setup/],
    ["lvm-filter", { files: files() }, /lets \/dev\/drbd1 through/],
    ["lvm-cache", { files: files() }, /write_cache_state/],
    [
      "lvm-cache",
      { files: new Map([...(WELL.files ?? []), ["/etc/lvm/cache/.cache", { text: "", mode: 0o600 }]]) },
      /old cache/,
    ],
    ["multipath", { hasMultipath: true }, /blacklist/],
    ["firewall", { files: files() }, /does not let xcp2 in after a boot/],
    [
      "firewall",
      { closedRules: new Map([["iptables", [["-s", "10.10.10.2/32"]]]]) },
      /not let in by the running filter/,
    ],
    ["boot", { services: [{ unit: "tgt", isEnabled: true, isActive: false }] }, /tgt starts at boot/],
    ["link", { link: { ...facts().link, hasAddress: false } }, /does not have 10\.10\.10\.1/],
    ["link", { link: { ...facts().link, speedMbit: 100 } }, /100 Mbit/],
    ["link-wiring", { link: { ...facts().link, isBonded: false } }, /no bond/],
    ["link-wiring", { link: { ...facts().link, strangers: ["aa:bb:cc:00:00:09"] } }, /switched or shared: aa:bb/],
  ];
  for (const [id, change, words] of faults) {
    const check = checks({ ...WELL, ...change }).get(`xcp1/${id}`);
    assert.ok(
      check !== undefined && (check.outcome === "failed" || check.outcome === "warning"),
      `${id} ${words.source}`,
    );
    assert.match(`${check.found} ${check.next}`, words);
    assert.notEqual(check.next, "");
  }
});

test("a plan's own lines fit 80 columns; only lines of files and commands may be longer", () => {
  const disk = { ...BLANK_DISK, signatures: ["LVM2_member"], partitions: ["/dev/sdb1", "/dev/sdb2"] };
  const plan = planHost({
    record: RECORD,
    self: XCP1,
    facts: facts({ disk, handler: null }),
    erase: [],
    files: "write",
  });
  const lines = planLines([show(plan, false, SECRET)]);
  assert.ok(lines.some((line) => line.includes("xcp1:/dev/sdb would be ERASED")));
  assert.ok(lines.some((line) => line.startsWith("  STOP")));
  const long = lines.filter((line) => line.length > 80 && !/^ {8}/.test(line));
  assert.deepEqual(long, []);
});

const identity = (uuid: string, name: string, address: string): HostIdentity => ({
  uuid,
  name,
  version: "0.1.0",
  links: [{ device: "xapi0", addresses: [{ address, prefix: 24 }], speedMbit: 10_000 }],
  disks: [{ path: "/dev/sdb", stable: `/dev/disk/by-id/wwn-${name}`, sizeBytes: 1e12, isFree: true }],
});
const OWN = identity(XCP1, "xcp1", "10.10.10.1");
const OTHER = identity(XCP2, "xcp2", "10.10.10.2");
const PLACE = {
  poolUuid: ANSWERS.poolUuid,
  masterUuid: XCP1,
  hosts: [
    { uuid: XCP1, name: "xcp1", address: "192.168.1.241" },
    { uuid: XCP2, name: "xcp2", address: "192.168.1.242" },
  ],
};
const nobody = { stdin: { isTTY: false }, stdout: { isTTY: false } } as unknown as CliContext;

test("answers from options alone: the stable name of the disk, the link that has the address, its speed", async () => {
  const options = {
    disk: ["/dev/sdb"],
    address: ["xcp1=10.10.10.1", "xcp2=10.10.10.2"],
    vip: "10.10.10.3",
  };
  const found = await collectAnswers(nobody, options, { place: PLACE, own: OWN, peer: OTHER });
  assert.ok(found.ok, JSON.stringify(found));
  assert.deepEqual(
    found.value.hosts.map(({ disk }) => disk),
    ["/dev/disk/by-id/wwn-xcp1", "/dev/disk/by-id/wwn-xcp2"],
  );
  const { prefix, interface: device, linkMbit, lun, resource } = found.value;
  assert.deepEqual(
    { prefix, device, linkMbit, lun, resource },
    { prefix: 24, device: "xapi0", linkMbit: 10_000, lun: 10, resource: "iscsi1" },
  );
  assert.deepEqual(contradictions(options, found.value, OWN, OTHER), []);
  const other = { ...options, disk: ["/dev/sdc"], lun: 11 };
  assert.equal(contradictions(other, found.value, OWN, OTHER).length, 3);
});

test("without a terminal everything that is missing is named at once, and no disk is guessed", async () => {
  const found = await collectAnswers(nobody, { disk: [], address: [] }, { place: PLACE, own: OWN, peer: OTHER });
  assert.ok(!found.ok);
  for (const option of ["--disk xcp1=", "--disk xcp2=", "--address xcp1=", "--vip"])
    assert.ok(found.error.includes(option), found.error);
});

/** A person who types one line after each question. */
async function atTerminal(typed: readonly string[]) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  const stdout = Object.assign(new PassThrough(), { isTTY: true });
  const notes: string[] = [];
  const rest = [...typed];
  let screen = "";
  stdout.on("data", (bytes: Buffer) => {
    screen += bytes.toString();
    if (screen.endsWith(": ")) stdin.write(`${rest.shift() ?? ""}\n`);
  });
  const context = { stdin, stdout, note: (text: string) => notes.push(text) } as unknown as CliContext;
  const disks = Array.from({ length: 6 }, (_, i) => ({
    path: `/dev/sd${i}`,
    stable: null,
    sizeBytes: 1e12,
    isFree: true,
  }));
  const pair = { place: PLACE, own: { ...OWN, disks }, peer: OTHER };
  const found = await collectAnswers(context, { disk: [], address: [] }, pair);
  return { found, notes, screen: stripVTControlCharacters(screen) };
}

test("at a terminal each question waits for an answer that can be meant, and none is wider than the screen", async () => {
  const typed = ["", "sdb", "/dev/sd0", "10.10.10", "", "/dev/sdb", "10.10.10.3/24/7", "10.10.10.3"];
  const { found, notes, screen } = await atTerminal(typed);
  assert.ok(found.ok, JSON.stringify(found));
  assert.deepEqual(
    [found.value.hosts.map(({ replication, disk }) => `${replication} ${disk}`), found.value.vip, found.value.prefix],
    [["10.10.10.1 /dev/sd0", "10.10.10.2 /dev/disk/by-id/wwn-xcp2"], "10.10.10.3", 24],
  );
  assert.equal(notes.length, 3);
  assert.match(notes[0] ?? "", /"sdb" cannot be meant: expected \/dev\/… \(Enter quits\)/);
  assert.ok(
    screen.split("\n").every((line) => line.length <= 80),
    screen,
  );
});

test("Enter where nothing is proposed stops the questions", async () => {
  const { found } = await atTerminal(["10.10.10.1", ""]);
  assert.deepEqual(found, { ok: false, error: "Nothing was changed: a question had no answer." });
});
