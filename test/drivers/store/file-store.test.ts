import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { DurableRecord } from "../../../src/core/model/durable.ts";
import { createFileStore } from "../../../src/drivers/store/file-store.ts";
import { encodeRecord } from "../../../src/drivers/store/record-codec.ts";
import { sample } from "./samples.ts";

async function folder(context: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tandem-store-"));
  context.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function stateFile(context: TestContext, content: string | Buffer): Promise<string> {
  const path = join(await folder(context), "state.json");
  await writeFile(path, content);
  return path;
}

function text(record: DurableRecord = sample): string {
  const encoded = encodeRecord(record);
  assert.ok(encoded.ok);
  return encoded.value;
}

async function damage(context: TestContext, content: string | Buffer): Promise<string> {
  const loaded = await createFileStore({ path: await stateFile(context, content) }).load();
  assert.ok(!loaded.ok, "a damaged file was read");
  assert.equal(loaded.error.kind, "damaged");
  return loaded.error.kind === "damaged" ? loaded.error.found : "";
}

void test("a saved record comes back as it was, in a file of 0600 in a folder of 0700", async (context) => {
  const path = join(await folder(context), "tandem", "state.json");
  const store = createFileStore({ path });
  assert.deepEqual(await store.save(sample), { ok: true, value: "saved" });
  assert.deepEqual(await createFileStore({ path }).load(), { ok: true, value: sample });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(path, ".."))).mode & 0o777, 0o700);
  assert.deepEqual(await readdir(join(path, "..")), ["state.json"]);
});

void test("no file is `absent`, which is not `damaged` and not a default", async (context) => {
  const store = createFileStore({ path: join(await folder(context), "state.json") });
  assert.deepEqual(await store.load(), { ok: false, error: { kind: "absent" } });
});

void test("an unreadable path is `io`, not `absent`", async (context) => {
  const path = join(await folder(context), "state.json");
  await mkdir(path);
  const loaded = await createFileStore({ path }).load();
  assert.ok(!loaded.ok && loaded.error.kind === "io");
  assert.match(loaded.error.reason, /EISDIR/);
});

void test("every flipped bit of a record makes it damaged", async (context) => {
  const good = Buffer.from(text());
  const path = await stateFile(context, good);
  const store = createFileStore({ path });
  for (let bit = 0; bit < good.length * 8; bit += 5) {
    const bytes = Buffer.from(good);
    bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    await writeFile(path, bytes);
    const loaded = await store.load();
    assert.ok(!loaded.ok && loaded.error.kind === "damaged", `bit ${bit}`);
  }
});

void test("an empty file, a truncated one, zeros and additions are damaged, with what was found", async (context) => {
  assert.equal(await damage(context, ""), "an empty file");
  assert.match(await damage(context, text().slice(0, 100)), /1 lines/);
  assert.match(await damage(context, Buffer.alloc(512)), /1 lines/);
  assert.match(await damage(context, `${text()}\n`), /4 lines/);
  assert.match(await damage(context, text().replace('"epoch":12', '"epoch":13')), /checksum line/);
  assert.match(await damage(context, "x".repeat(100_000)), /100000 bytes, expected at most 65536/);
});

void test("a missing, additional or impossible field is damaged although the checksum is right", async (context) => {
  const { takeovers: _takeovers, ...incomplete } = sample;
  const wrong: [unknown, RegExp][] = [
    [incomplete, /takeovers/],
    [{ ...sample, extra: 1 }, /extra/],
    [{ ...sample, epoch: -1 }, /epoch/],
    [{ ...sample, epoch: 1.5 }, /epoch/],
    [{ ...sample, ha: "enabled" }, /ha/],
    [{ ...sample, owner: "" }, /owner/],
    [{ ...sample, solo: { iscsi1: "yes" } }, /solo\.iscsi1/],
    [{ ...sample, lastSync: { iscsi1: -2 } }, /lastSync\.iscsi1/],
    [{ ...sample, flags: { manual: false } }, /flags\.maintenance/],
  ];
  const { crc32 } = await import("node:zlib");
  for (const [record, pattern] of wrong) {
    const line = JSON.stringify({ format: "tandem-state", record, version: 1 });
    const content = `${line}\ncrc32 ${crc32(line).toString(16).padStart(8, "0")}\n`;
    assert.match(await damage(context, content), pattern);
  }
  const line = JSON.stringify({ format: "tandem-state", record: sample, version: 2 });
  const newer = `${line}\ncrc32 ${crc32(line).toString(16).padStart(8, "0")}\n`;
  assert.equal(await damage(context, newer), "version 2, expected 1");
});

void test("a record of another host is damaged, not mine", async (context) => {
  const path = await stateFile(context, text());
  const belongsTo = { poolId: sample.poolId, hostId: "22222222-2222-4222-8222-222222222222" };
  const loaded = await createFileStore({ path, belongsTo }).load();
  assert.ok(!loaded.ok && loaded.error.kind === "damaged");
  assert.match(loaded.error.found, /a record of host 11111111/);
});

void test("equal records are equal files, whatever the order of their keys", () => {
  assert.equal(text(Object.fromEntries(Object.entries(sample).toReversed()) as unknown as DurableRecord), text());
});

void test("saves of one turn take effect in their order", async (context) => {
  const path = join(await folder(context), "state.json");
  const store = createFileStore({ path });
  const saves = await Promise.all(Array.from({ length: 20 }, (_, n) => store.save({ ...sample, epoch: 100 + n })));
  assert.ok(saves.every(({ ok }) => ok));
  const loaded = await store.load();
  assert.ok(loaded.ok);
  assert.equal(loaded.value.epoch, 119);
});

void test("an epoch never goes back, and an invalid record never reaches the disk", async (context) => {
  const path = await stateFile(context, text());
  const store = createFileStore({ path });
  await store.load();
  const back = await store.save({ ...sample, epoch: 11 });
  assert.ok(!back.ok && back.error.kind === "io");
  assert.match(back.error.reason, /epoch 11 after 12/);
  const invalid = await store.save({ ...sample, epoch: Number.NaN });
  assert.ok(!invalid.ok);
  assert.equal(await readFile(path, "utf8"), text());
});

void test("a planted link in place of the temporary file is not written through", async (context) => {
  const path = await stateFile(context, text());
  const target = `${path}.victim`;
  await writeFile(target, "untouched");
  for (let n = 0; n < 60; n += 1) await symlink(target, `${path}.tmp-${process.pid}-${n}`);
  await createFileStore({ path }).save({ ...sample, epoch: 13 });
  assert.equal(await readFile(target, "utf8"), "untouched");
});

void test("a folder that cannot be written leaves the old record", async (context) => {
  if (process.getuid?.() === 0) return context.skip("root may write everywhere");
  const path = await stateFile(context, text());
  await chmod(join(path, ".."), 0o500);
  const saved = await createFileStore({ path }).save({ ...sample, epoch: 13 });
  await chmod(join(path, ".."), 0o700);
  assert.ok(!saved.ok && saved.error.kind === "io");
  assert.equal(await readFile(path, "utf8"), text());
});

void test("a full disk leaves the old record and says so", async (context) => {
  const mount = await folder(context);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", mount]);
  if (mounted.status !== 0) return context.skip("no right to mount a tmpfs here");
  const path = join(mount, "state.json");
  try {
    await fillAndSave(mount, path);
  } finally {
    spawnSync("umount", [mount]);
  }
});

async function fillAndSave(mount: string, path: string): Promise<void> {
  const store = createFileStore({ path });
  assert.ok((await store.save(sample)).ok);
  await writeFile(join(mount, "fill"), Buffer.alloc(64 * 1024)).catch(() => undefined);
  const saved = await store.save({ ...sample, epoch: 13 });
  assert.ok(!saved.ok && saved.error.kind === "io");
  assert.match(saved.error.reason, /ENOSPC.*the old record is untouched/);
  assert.deepEqual(await store.load(), { ok: true, value: sample });
  await rm(join(mount, "fill"));
  assert.ok((await store.save({ ...sample, epoch: 13 })).ok);
  assert.deepEqual(await readdir(mount), ["state.json"]);
}

/** Lets the writer run for a while, kills it, and gives the epochs it last tried and last promised. */
async function killedWriter(path: string, first: number, afterMs: number): Promise<{ tried: number; saved: number }> {
  const script = fileURLToPath(new URL("./writer.ts", import.meta.url));
  const child = spawn(process.execPath, [script, path, String(first)], { stdio: ["ignore", "pipe", "pipe"] });
  let [output, complaint] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    const started = output !== "";
    output += chunk.toString();
    if (!started) setTimeout(() => child.kill("SIGKILL"), afterMs);
  });
  child.stderr.on("data", (chunk: Buffer) => (complaint += chunk.toString()));
  await new Promise((resolve) => child.on("close", resolve));
  assert.equal(child.signalCode, "SIGKILL", `the writer ended by itself: ${complaint}`);
  const last = (word: string, otherwise: number): number =>
    Number(
      output
        .match(new RegExp(`${word} (\\d+)\\n`, "g"))
        ?.at(-1)
        ?.split(" ")[1] ?? otherwise,
    );
  return { tried: last("trying", first), saved: last("saved", first - 1) };
}

void test("SIGKILL in the middle of saving leaves a whole record, and every promised one", async (context) => {
  const path = join(await folder(context), "state.json");
  let promised = 0;
  // On a starved machine a writer may be killed before its first write is through: then some more are tried, and longer.
  for (let round = 0; round < 12 || (promised <= 12 && round < 60); round += 1) {
    const { tried, saved } = await killedWriter(path, promised + 1, 5 + round * 3);
    const loaded = await createFileStore({ path }).load();
    if (!loaded.ok) {
      assert.equal(loaded.error.kind, "absent");
      assert.equal(saved, 0);
      continue;
    }
    // The pipe may lose the last lines of a killed process, never invent one.
    assert.ok(loaded.value.epoch >= saved, `found epoch ${loaded.value.epoch}, promised ${saved}`);
    assert.ok(loaded.value.epoch <= tried + 1, `found epoch ${loaded.value.epoch}, tried ${tried}`);
    promised = loaded.value.epoch;
  }
  assert.ok(promised > 12, "the writer saved nothing: the test proved nothing");
  assert.ok((await createFileStore({ path }).save({ ...sample, epoch: promised + 1 })).ok);
  assert.deepEqual(await readdir(join(path, "..")), ["state.json"], "leftovers are removed by the next writer");
});
