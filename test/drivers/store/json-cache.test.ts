import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createJsonCache } from "../../../src/drivers/store/json-cache.ts";

const parse = (value: unknown): number | null => (typeof value === "number" ? value : null);

void test("a cache gives back what was saved, and nothing for whatever is wrong with it", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "tandem-cache-"));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "sub", "cache.json");
  const cache = createJsonCache(path, parse);
  assert.equal(await cache.load(), null);
  assert.ok((await cache.save(42)).ok);
  assert.equal(await cache.load(), 42);
  for (const wrong of ["", "{", '"text"', "\0"]) {
    await writeFile(path, wrong);
    assert.equal(await cache.load(), null);
  }
});

void test("a cache that cannot be written says where and why", async () => {
  const saved = await createJsonCache("/dev/null/cache.json", parse).save(1);
  assert.ok(!saved.ok);
  assert.match(saved.error, /Cannot write the cache \/dev\/null\/cache.json: (EEXIST|ENOTDIR)/);
});
