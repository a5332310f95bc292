// What is on a disk, with the real tools on files: signatures by wipefs, and samples that are not zero.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, open, readFile, realpath, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createExec } from "../../src/drivers/exec/run.ts";
import { lookAtDisk, usesIn } from "../../src/setup/look/disk.ts";
import { dataOn, isBlank } from "../../src/setup/plan/data.ts";

const SIZE = 24 * 1024 * 1024;

test("a disk is blank only when nothing is known on it and every sample is zero", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tandem-disk-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const disk = join(folder, "disk");
  await mkdir(join(folder, "sys/class/block/disk"), { recursive: true });
  await writeFile(join(folder, "sys/class/block/disk/size"), `${SIZE / 512}\n`);
  const look = async (): Promise<readonly string[]> => {
    const found = await lookAtDisk(createExec(), disk, join(folder, "sys"));
    assert.ok(found.ok, JSON.stringify(found));
    assert.equal(isBlank(found.value), dataOn(found.value).length === 0);
    return dataOn(found.value);
  };
  await writeFile(disk, "");
  await truncate(disk, SIZE);
  assert.deepEqual(await look(), []);
  for (const offset of [0, SIZE - 1]) {
    const file = await open(disk, "r+");
    await file.write(Buffer.from([7]), 0, 1, offset);
    assert.deepEqual(await look(), ["content that no tool here knows; not blank"], `one byte at ${offset}`);
    await file.write(Buffer.from([0]), 0, 1, offset);
    await file.close();
  }
  execFileSync("mkfs.ext4", ["-q", "-F", disk]);
  assert.deepEqual(await look(), ["a signature of ext4"]);
  const gone = await lookAtDisk(createExec(), join(folder, "none"), join(folder, "sys"));
  assert.ok(!gone.ok && /does not exist/.test(gone.error));
  await writeFile(join(folder, "plain"), "");
  const plain = await lookAtDisk(createExec(), join(folder, "plain"), join(folder, "sys"));
  assert.ok(!plain.ok && /no block device/.test(plain.error));
});

test("what is mounted is found by its number and by whatever name it was mounted by", async (t) => {
  const used = usesIn(
    [
      "36 25 253:2 / /srv/vms rw,relatime shared:1 - ext4 /dev/mapper/VG_Xen-guests rw",
      "40 25 0:33 / /srv/pool rw shared:2 master:1 - btrfs /dev/sdb1 rw",
      "half a line",
    ].join("\n"),
    "Filename\tType\tSize\n/dev/dm-3 partition 1048572\n",
  );
  assert.deepEqual(used, [
    { where: "/srv/vms", source: "/dev/mapper/VG_Xen-guests", number: "253:2" },
    { where: "/srv/pool", source: "/dev/sdb1", number: "0:33" },
    { where: "swap", source: "/dev/dm-3", number: null },
  ]);

  // A file system that is mounted on this machine now, under a kernel name that no list of mounts shows.
  const mounts = usesIn(await readFile("/proc/self/mountinfo", "utf8"), "");
  const root = mounts.findLast(({ where }) => where === "/");
  assert.ok(root?.number !== undefined && root.number !== null);
  const folder = await realpath(await mkdtemp(join(tmpdir(), "tandem-mount-")));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "sys/class/block/disk"), { recursive: true });
  await writeFile(join(folder, "sys/class/block/disk/size"), "2048\n");
  await writeFile(join(folder, "sys/class/block/disk/dev"), `${root.number}\n`);
  await writeFile(join(folder, "disk"), "");
  await truncate(join(folder, "disk"), 2048 * 512);
  const found = await lookAtDisk(createExec(), join(folder, "disk"), join(folder, "sys"));
  assert.ok(found.ok, JSON.stringify(found));
  assert.ok(found.value.mountedAt.includes("/"), found.value.mountedAt.join());
});
