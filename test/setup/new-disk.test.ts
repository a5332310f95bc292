// A disk in the place of a broken one: its line in the resource file and nothing else, what cannot be taken, and under which
// name it is kept.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseRecord, recordText } from "../../src/setup/answers.ts";
import { heldByDrbd, nameOfDisk, standingOf } from "../../src/setup/look/new-disk.ts";
import { carryOutOn, keepDisk, withHostDisk, writeDiskOf } from "../../src/setup/name-disk.ts";
import { usableBytes, whyUnfit, type NewDisk } from "../../src/setup/plan/new-disk.ts";
import { planHost } from "../../src/setup/plan/plan.ts";
import type { HostPlan } from "../../src/setup/plan/step.ts";
import { readPoolText, SETUP_RECORD, writePoolText } from "../../src/setup/pool/record.ts";
import { diskOf, withDisk } from "../../src/setup/texts/drbd-disk.ts";
import { drbdResourceText } from "../../src/setup/texts/drbd.ts";
import { ok } from "../../src/util/result.ts";
import { startSimPool } from "../act/pool/sim-pool.ts";
import { sampleView } from "../drivers/drbd/sample-view.ts";
import { exited, scriptedExec } from "../drivers/exec/scripted-exec.ts";
import { ANSWERS, BLANK_DISK, facts, files, RECORD, XCP1, XCP2 } from "./samples.ts";

const OLD = "/dev/disk/by-id/wwn-0x5a";
const NEW = "/dev/disk/by-id/wwn-0x5b";
const TEXT = drbdResourceText(RECORD, { major: 8, handler: "/opt/tandem/agents/drbd/fence-peer" });
const MOVED = TEXT.replace(OLD, NEW);
const change = { resource: "iscsi1", host: "xcp1", was: OLD, disk: NEW };

test("only this host's disk changes in the text, of our own hand and of others'", () => {
  assert.deepEqual(withDisk(TEXT, change), ok(MOVED));
  assert.deepEqual(withDisk(MOVED, change), ok(MOVED), "a run that goes on");
  const foreign = `# disk /dev/disk/by-id/wwn-0x5a; on xcp1 {
resource other { on xcp1 { disk ${OLD}; } }
resource "iscsi1" {
  disk { on-io-error detach; } # }
  handlers { fence-peer "a \\" } b"; }
  on xcp2 { volume 0 { disk ${OLD}; meta-disk internal; } }
  on "xcp1" { address 10.10.10.1:7789; volume 0 { device /dev/drbd1; disk ${OLD}; meta-disk internal; } }
}
`;
  const at = foreign.lastIndexOf(OLD);
  const wanted = `${foreign.slice(0, at)}"${NEW}"${foreign.slice(at + OLD.length)}`;
  assert.deepEqual(withDisk(foreign, change), ok(wanted));
  assert.deepEqual([diskOf(wanted, "iscsi1", "xcp1"), diskOf(wanted, "iscsi1", "xcp2")], [NEW, OLD]);
});

test("a text that does not say the disk of this host alone is left to a person", () => {
  const shared = `resource iscsi1 { disk ${OLD}; on xcp1 { } on xcp2 { } }`;
  assert.equal(diskOf(shared, "iscsi1", "xcp1"), OLD);
  for (const text of [
    "",
    shared,
    `resource iscsi1 { on xcp1 xcp2 { disk ${OLD}; } }`,
    `resource iscsi1 { on xcp1 { volume 0 { disk ${OLD}; } volume 1 { disk /dev/sdz; } } }`,
  ]) {
    const found = withDisk(text, change);
    assert.ok(!found.ok && /expected one in its section "on"/.test(found.error), text);
  }
  const elsewhere = withDisk(TEXT, { ...change, was: "/dev/sdq" });
  assert.ok(!elsewhere.ok && /expected \/dev\/sdq as "drbdadm dump" says it/.test(elsewhere.error));
});

const LARGE = 4 * 2 ** 40;
const unfit = (more: Partial<NewDisk> = {}, disk: Partial<NewDisk["disk"]> = {}): string | null =>
  whyUnfit({
    disk: { ...BLANK_DISK, path: NEW, kernelName: "/dev/sdc", ...disk },
    resource: "iscsi1",
    configured: OLD,
    partitions: [],
    otherPaths: [],
    ownedBy: null,
    volumes: 1,
    metaDisk: null,
    neededBytes: usableBytes(LARGE),
    ...more,
  });

test("a disk that is somebody's is refused in words, a free one is not", () => {
  assert.equal(unfit(), null);
  assert.match(unfit({ ownedBy: "iscsi2" }) ?? "", /disk of the DRBD resource iscsi2/);
  assert.match(unfit({ volumes: 2 }) ?? "", /has 2 volumes.*by hand: .*create-md iscsi1\/VOLUME/);
  assert.match(unfit({ metaDisk: "/dev/sdm1" }) ?? "", /metadata on \/dev\/sdm1.*by hand: .*attach iscsi1/);
  const path = { kernelName: "/dev/sdd", isConfigured: false, uses: [] };
  assert.equal(unfit({ otherPaths: [path] }), null, "two paths to a disk that nobody uses");
  assert.match(unfit({ otherPaths: [{ ...path, isConfigured: true }] }) ?? "", /another path to .*wwn-0x5a/);
  assert.match(
    unfit({ otherPaths: [{ ...path, uses: ["dm-3"] }] }) ?? "",
    /another path to \/dev\/sdd.*in use \(dm-3\)/,
  );
  assert.match(unfit({}, { signatures: ["LVM2_member"] }) ?? "", /member of LVM.*first: pvremove/);
  assert.match(unfit({}, { signatures: ["linux_raid_member"] }) ?? "", /member of a RAID.*mdadm --zero-superblock/);
  const partitions = [{ path: "/dev/sdc3", signatures: ["LVM2_member"] }];
  assert.match(unfit({ partitions }) ?? "", /\/dev\/sdc3 is a member of LVM.*first: pvremove \/dev\/sdc3/);
  assert.equal(unfit({}, { signatures: ["LVM2_member", "drbd"] }), null, "volumes of VMs in a copy of DRBD's");
});

test("a disk must hold the resource and DRBD's metadata, to the sector", () => {
  // What DRBD 8.4.11 itself made of disks of 512 MiB and of 1 GiB.
  assert.equal(usableBytes(2 ** 29), 524_236 * 1024);
  assert.equal(usableBytes(2 ** 30), 1_048_508 * 1024);
  const neededBytes = usableBytes(LARGE);
  assert.equal(unfit({ neededBytes }, { sizeBytes: LARGE }), null);
  assert.match(unfit({ neededBytes }, { sizeBytes: LARGE - 4096 }) ?? "", /too small: iscsi1 has \d+ bytes/);
  assert.equal(unfit({ neededBytes: null }, { sizeBytes: 4096 }), null, "DRBD itself refuses then");
});

test("a disk is kept by a name that stays with it, and the configured one by its own", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tandem-name-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const old = join(folder, "old");
  await symlink("/dev/zero", old);
  const stableOf = async (kernelName: string): Promise<readonly string[]> =>
    kernelName === "/dev/null" ? [NEW, "/dev/disk/by-id/scsi-1"] : kernelName === "/dev/zero" ? [OLD] : [];
  const named = (typed: string, configured = old) => nameOfDisk({ typed, resource: "iscsi1", configured }, stableOf);
  assert.deepEqual(await named("/dev/null"), ok(NEW));
  assert.deepEqual(await named("/dev/full"), ok("/dev/full"));
  assert.deepEqual(await named(old), ok(old));
  assert.deepEqual(await named("/dev/null", NEW), ok(NEW), "a run that goes on with the kernel's name");
  const same = await named("/dev/zero");
  assert.ok(!same.ok && /by another name, which iscsi1 has already; .*leave --disk out/.test(same.error));
  for (const [typed, words] of [
    ["/dev/none", /does not exist; see: ls -l \/dev\/disk\/by-id/],
    ["sdc", /expected a path/],
    ['/dev/sd"; }', /expected a path/],
  ] as const) {
    const found = await named(typed);
    assert.ok(!found.ok && words.test(found.error), JSON.stringify(found));
  }
});

test("a volume of LVM is kept by LVM's own name for it, which a snapshot of the copy needs", async (t) => {
  const folder = await mkdtemp("/dev/shm/tandem-name-");
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [kernelName, typed] = [join(folder, "dm-3"), join(folder, "vg-copy")];
  await writeFile(kernelName, "");
  await symlink(kernelName, typed);
  const udevs = async (): Promise<readonly string[]> => ["/dev/disk/by-id/dm-name-vg-copy"];
  const named = (one: string) => nameOfDisk({ typed: one, resource: "iscsi1", configured: OLD }, udevs);
  assert.deepEqual(await named(typed), ok(typed));
  assert.deepEqual(await named(kernelName), ok("/dev/disk/by-id/dm-name-vg-copy"));
});

test("a disk of another resource, and another path to a disk, are known", async (t) => {
  const sysfs = await mkdtemp(join(tmpdir(), "tandem-sysfs-"));
  t.after(() => rm(sysfs, { recursive: true, force: true }));
  for (const [name, place, wwid] of [
    ["sdc", "device", "naa.5b"],
    ["sdd", "device", "naa.5b"],
    ["sde", "device", "naa.5c"],
    ["full", "", ""],
    ["nvme0n1", "", "naa.5b"],
  ] as const) {
    await mkdir(join(sysfs, "block", name, place), { recursive: true });
    await writeFile(join(sysfs, "block", name, place, "wwid"), `${wwid}\n`);
  }
  await mkdir(join(sysfs, "class/block/sdd/holders/dm-3"), { recursive: true });
  await mkdir(join(sysfs, "class/block/full/full7"), { recursive: true });
  await writeFile(join(sysfs, "class/block/full/full7/partition"), "7\n");
  const dump = `resource iscsi1 {
    on xcp1 {
      disk ${OLD};
    }
  }
  resource iscsi2 {
    meta-disk /dev/zero [0];
    on xcp1 {
      disk /dev/full;
    }
  }
  resource iscsi3 {
    disk /dev/random;
    on xcp1 {
      volume 0 {
        meta-disk /dev/random;
      }
      volume 1 {
        disk /dev/urandom;
      }
    }
  }
`;
  const exec = scriptedExec({
    "drbdadm dump": exited(0, dump),
    "wipefs --parsable /dev/full7": exited(0, "0x218,id,,LVM2_member\n"),
  });
  const about = { host: "xcp1", resource: "iscsi1", configured: OLD };
  const found = await standingOf(exec, { ...about, kernelName: "/dev/sdc" }, sysfs);
  assert.ok(found.ok);
  assert.equal(found.value.ownedBy, null);
  assert.deepEqual(
    found.value.otherPaths.toSorted((a, b) => a.kernelName.localeCompare(b.kernelName)),
    [
      { kernelName: "/dev/nvme0n1", isConfigured: false, uses: [] },
      { kernelName: "/dev/sdd", isConfigured: false, uses: ["dm-3"] },
    ],
  );
  assert.deepEqual([found.value.volumes, found.value.metaDisk], [1, null]);
  for (const [kernelName, ownedBy] of [
    ["/dev/full", "iscsi2"],
    ["/dev/full7", "iscsi2"],
    ["/dev/zero", "iscsi2"],
    ["/dev/random", "iscsi3"],
    ["/dev/null", null],
  ] as const) {
    const owned = await standingOf(exec, { ...about, kernelName }, sysfs);
    assert.deepEqual(owned.ok && owned.value.ownedBy, ownedBy, kernelName);
  }
  const parted = await standingOf(exec, { ...about, kernelName: "/dev/full" }, sysfs);
  assert.deepEqual(parted.ok && parted.value.partitions, [{ path: "/dev/full7", signatures: ["LVM2_member"] }]);
  const many = await standingOf(exec, { ...about, resource: "iscsi3", kernelName: "/dev/null" }, sysfs);
  assert.deepEqual(many.ok && [many.value.volumes, many.value.metaDisk], [2, "/dev/random"]);
  assert.deepEqual([...(await heldByDrbd(exec, "xcp1"))].filter((path) => /full|zero/.test(path)).toSorted(), [
    "/dev/full",
    "/dev/zero",
  ]);
});

const DISKLESS = sampleView({ role: "Secondary", disk: "Diskless" });
const plan = (
  disk: Partial<typeof BLANK_DISK>,
  text = TEXT,
  erase: readonly string[] = [],
  { isJustCreated = false, diskWas = OLD } = {},
): HostPlan =>
  planHost({
    record: withHostDisk(RECORD, XCP1, NEW),
    self: XCP1,
    facts: facts({
      view: DISKLESS,
      isAnyUp: true,
      isJustCreated,
      disk: { ...BLANK_DISK, path: NEW, kernelName: "/dev/sdc", stable: [NEW], ...disk },
      files: files({ "/etc/drbd.d/iscsi1.res": text }),
    }),
    erase,
    files: { diskWas },
  });
const lines = ({ steps }: HostPlan): readonly string[] =>
  steps.map((step) => (step.kind === "file" ? step.path : step.argv.join(" ")));

test("the plan for a new disk: its line, LVM's filter, metadata, attach; of the files nothing else", () => {
  const found = plan({});
  assert.deepEqual(found.obstacles, []);
  const done = lines(found).filter((line) => !/iptables|vgscan/.test(line));
  assert.deepEqual(done, [
    "/etc/drbd.d/iscsi1.res",
    "/etc/lvm/lvm.conf",
    "drbdadm --force create-md iscsi1",
    "drbdadm attach iscsi1",
  ]);
  const textOf = (path: string): string =>
    found.steps.map((step) => (step.kind === "file" && step.path === path ? step.content : "")).join("");
  assert.equal(textOf("/etc/drbd.d/iscsi1.res"), MOVED);
  assert.match(textOf("/etc/lvm/lvm.conf"), /wwn-0x5b/);
  const filled = { signatures: ["drbd", "LVM2_member"], hasUnknownContent: true };
  const again = plan(filled, MOVED, [], { isJustCreated: true, diskWas: NEW });
  assert.deepEqual(
    lines(again).filter((line) => /drbd/.test(line)),
    ["drbdadm attach iscsi1"],
    "an earlier run made the metadata",
  );
});

test("a copy of another pair on the new disk is data, also where the other host has a disk of that path", () => {
  const sameThere = TEXT.replace("/dev/sdb", NEW);
  for (const text of [TEXT, sameThere]) {
    const used = plan({ signatures: ["drbd"], hasUnknownContent: true }, text);
    assert.equal(used.atRisk?.name, "xcp1:/dev/sdc");
    assert.ok(!lines(used).some((line) => /create-md|attach|wipefs/.test(line)));
    const [first, second] = lines(plan({ signatures: ["drbd"] }, text, ["xcp1:/dev/sdc"]));
    assert.deepEqual(
      [first, second],
      [`wipefs --all --force ${NEW}`, "/etc/drbd.d/iscsi1.res"],
      "erased before it is named",
    );
  }
});

test("a used copy of DRBD's at the configured path is data too: of another pair, or a clone of the broken disk", () => {
  const used = { signatures: ["drbd"], hasUnknownContent: true };
  const found = plan(used, MOVED, [], { diskWas: NEW });
  assert.equal(found.atRisk?.name, "xcp1:/dev/sdc");
  assert.ok(!lines(found).some((line) => /create-md|attach|wipefs/.test(line)));
  const agreed = lines(plan(used, MOVED, ["xcp1:/dev/sdc"], { diskWas: NEW }));
  assert.equal(agreed[0], `wipefs --all --force ${NEW}`);
  assert.deepEqual(
    agreed.filter((line) => /drbd/.test(line)),
    ["drbdadm --force create-md iscsi1", "drbdadm attach iscsi1"],
  );
});

test("a resource that is written for all hosts at once is left as it is where the path stays", () => {
  const shared = `resource iscsi1 { disk ${NEW}; on xcp1 { } on xcp2 { } }`;
  assert.deepEqual(plan({}, shared, [], { diskWas: NEW }).obstacles, []);
});

test("where the resource file is another's work the plan stops and says what to write", () => {
  const found = plan({}, "resource iscsi1 { }\n");
  assert.match(
    found.obstacles.map(({ what, next }) => `${what}; ${next}`).join(),
    /found 0 disks.*wwn-0x5b.*both hosts/,
  );
  assert.equal(plan({ mountedAt: ["/srv"] }).obstacles.length, 1);
});

test("the other host writes that line into its own file, once, and looks whether drbdadm reads it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tandem-res-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "iscsi1.res");
  await writeFile(path, TEXT, { mode: 0o600 });
  const dumped = (disk: string) => exited(0, `resource iscsi1 {\non xcp1 {\ndisk ${disk};\n}\n}\n`);
  const exec = scriptedExec({ "drbdadm dump": dumped(NEW) });
  const parts = { exec, progress: () => undefined, journalPath: join(folder, "journal.json") };
  const asked = (named: string) => writeDiskOf(parts, RECORD, XCP2, named, path);
  assert.deepEqual(await asked(`xcp1:${NEW}`), ok("written"));
  assert.equal(await readFile(path, "utf8"), MOVED);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(exec.commandLines(), ["drbdadm dump"], "nothing is done to DRBD");
  assert.deepEqual(await asked(`xcp1:${NEW}`), ok("already"));
  for (const wrong of ["xcp2:/dev/sdc", "xcp3:/dev/sdc", "xcp1:/dev/sd c", "xcp1", ""]) {
    const found = await asked(wrong);
    assert.ok(!found.ok && /no disk of the other host/.test(found.error), wrong);
  }
  assert.equal(await readFile(path, "utf8"), MOVED);
  const shared = await writeDiskOf(parts, RECORD, XCP2, `xcp1:${OLD}`, join(folder, "none.res"));
  assert.deepEqual(shared, ok("already"), "what drbdadm reads already, in another file or for all hosts");
  await writeFile(path, TEXT);
  const unread = scriptedExec({ "drbdadm dump": dumped(OLD) });
  const shown = await writeDiskOf({ ...parts, exec: unread }, RECORD, XCP2, `xcp1:${NEW}`, path);
  assert.ok(!shown.ok && /"drbdadm dump" shows .*wwn-0x5a/.test(shown.error));
  const elsewhere = await writeDiskOf({ ...parts, exec: unread }, RECORD, XCP2, `xcp1:${NEW}`, path);
  assert.ok(!elsewhere.ok && /resource is defined/.test(elsewhere.error), "named already, in a file that is not read");
  const none = await writeDiskOf(parts, RECORD, XCP2, `xcp1:${NEW}`, join(folder, "none.res"));
  assert.ok(!none.ok && /there is no /.test(none.error));
});

test("drbdadm makes no metadata on the disk before, where it does not read the file that names the new one", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tandem-res-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "iscsi1.res");
  const file = { kind: "file", title: "", path, content: MOVED, mode: 0o600, before: TEXT } as const;
  const steps = [file, ...plan({}).steps.filter((step) => step.kind === "command" && step.argv[0] === "drbdadm")];
  const self = { name: "xcp1", disk: NEW };
  const made = ["drbdadm --force create-md iscsi1", "drbdadm attach iscsi1"];
  for (const [shown, wanted] of [
    [OLD, ["drbdadm dump"]],
    [NEW, ["drbdadm dump", ...made]],
  ] as const) {
    const dump = exited(0, `resource iscsi1 { on xcp1 { disk ${shown}; } }`);
    const exec = scriptedExec({ "drbdadm dump": dump, [made[0] ?? ""]: exited(0, ""), [made[1] ?? ""]: exited(0, "") });
    const parts = { exec, progress: () => undefined, journalPath: join(folder, "journal.json") };
    const done = await carryOutOn(parts, steps, [], "iscsi1", self);
    assert.equal(done.ok, shown === NEW);
    assert.ok(done.ok || done.error.includes(`shows ${OLD} for xcp1, expected ${NEW}`));
    assert.deepEqual(exec.commandLines(), wanted);
    assert.equal(await readFile(path, "utf8"), MOVED);
  }
});

test("the setup that the pool keeps gets the disk, where one is kept", async (t) => {
  const { master } = await startSimPool(t);
  assert.deepEqual(await keepDisk(master.context, XCP1, NEW), ok("none"));
  assert.ok((await writePoolText(master.context, SETUP_RECORD, recordText(RECORD))).ok);
  assert.deepEqual(await keepDisk(master.context, XCP1, NEW), ok("kept"));
  const text = await readPoolText(master.context, SETUP_RECORD);
  assert.ok(text.ok && text.value !== null);
  const [first, second] = ANSWERS.hosts;
  assert.deepEqual(
    parseRecord(text.value),
    ok({ ...RECORD, answers: { ...ANSWERS, hosts: [{ ...first, disk: NEW }, second] } }),
  );
  assert.deepEqual(await keepDisk(master.context, XCP1, NEW), ok("already"));
});
