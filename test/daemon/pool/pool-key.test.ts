// Rotation of the pool secret under a running daemon: two keys for a while, one again, and never none.

import assert from "node:assert/strict";
import { chmod, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { followPoolKey, type PoolKey } from "../../../src/daemon/pool/pool-key.ts";
import { derivePeerKey } from "../../../src/drivers/peer/keys.ts";
import type { PeerKeys } from "../../../src/drivers/peer/port.ts";

const POOL = "0d6a2b1c-7f7e-4c55-9f39-6f1d3a1b2c4d";
const OLD = "0123456789abcdef0123456789abcdef/old";
const NEW = "0123456789abcdef0123456789abcdef/new";
const idOf = (secret: string): number => derivePeerKey(Buffer.from(secret), POOL).keyId;

const folder = await mkdtemp(join(tmpdir(), "tandem-key-"));
const open: PoolKey[] = [];
after(async () => {
  await Promise.all(open.map((one) => one.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function follow(name: string) {
  const path = join(folder, name);
  await writeFile(path, OLD, { mode: 0o600 });
  const told: { readonly keys: PeerKeys; readonly keyId: string }[] = [];
  const problems: string[] = [];
  const key = followPoolKey({
    path,
    poolId: POOL,
    secret: Buffer.from(OLD),
    onKeys: (keys, keyId) => told.push({ keys, keyId }),
    onProblem: (reason) => problems.push(reason),
    settleMs: 20,
    retireMs: 50,
  });
  open.push(key);
  await sleep(150);
  return { path, key, told, problems };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    if (holds()) return;
    await sleep(20);
  }
  assert.fail(`not within 4 s: ${what}`);
}

test("a rotated secret is used beside the old one until the other host has it too", async () => {
  const { path, key, told, problems } = await follow("rotated");
  assert.deepEqual([told.length, key.keys().keyId, key.keys().previous], [0, idOf(OLD), null]);
  await writeFile(`${path}.new`, NEW, { mode: 0o600 });
  await rename(`${path}.new`, path);
  await until("both keys", () => told.length === 1);
  assert.equal(told[0]?.keys.keyId, idOf(NEW));
  assert.equal(told[0]?.keys.previous?.keyId, idOf(OLD));
  assert.equal(told[0]?.keyId, String(idOf(NEW)));
  await sleep(150);
  assert.equal(told.length, 1, "nothing is given up before the other host has it");
  key.agreed();
  key.agreed();
  await until("the new key alone", () => told.length === 2);
  assert.equal(told[1]?.keys.previous, null);
  assert.deepEqual(problems, []);
});

test("a secret that is gone, half written or readable by others changes nothing, and says so without showing it", async () => {
  const { path, key, told, problems } = await follow("damaged");
  await writeFile(path, "short");
  await until("the first problem", () => problems.length === 1);
  assert.match(problems[0] ?? "", /found 5 bytes.*the key read before stays in force/);
  await writeFile(path, NEW);
  await chmod(path, 0o644);
  await until("the second problem", () => problems.some((one) => one.includes("0644")) || told.length > 0);
  await rm(path);
  await until("the last problem", () => problems.some((one) => one.includes("ENOENT")));
  assert.doesNotMatch(problems.join(), /0123456789abcdef|short/);
  await writeFile(path, OLD, { mode: 0o600 });
  await sleep(200);
  assert.ok([idOf(OLD), idOf(NEW)].includes(key.keys().keyId));
});
