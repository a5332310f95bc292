// What is on a disk, with the real tools on files: signatures by wipefs, and samples that are not zero.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, open, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createExec } from "../../src/drivers/exec/run.ts";
import { lookAtDisk } from "../../src/setup/look/disk.ts";
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
