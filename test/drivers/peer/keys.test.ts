import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { readIdentity } from "../../../src/drivers/peer/identity.ts";
import { createKeyring } from "../../../src/drivers/peer/keyring.ts";
import { derivePeerKey, peerKeys, readPoolSecret } from "../../../src/drivers/peer/keys.ts";
import { key, otherKey } from "./samples.ts";

async function secretFile(context: TestContext, content: string, mode: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tandem-keys-"));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "ptoken");
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

void test("the key depends on the secret and on the pool, not on white space around the secret", () => {
  const hex = (secret: string, pool: string) =>
    Buffer.from(derivePeerKey(Buffer.from(secret), pool).key).toString("hex");
  assert.equal(hex("0123456789abcdef", "p"), hex("0123456789abcdef\n", "p"));
  assert.notEqual(hex("0123456789abcdef", "p"), hex("0123456789abcdeF", "p"));
  assert.notEqual(hex("0123456789abcdef", "p"), hex("0123456789abcdef", "q"));
  assert.equal(Buffer.from(hex("0123456789abcdef", "p"), "hex").length, 32);
});

void test("a pool secret with mode 0600 is read", async (context) => {
  const path = await secretFile(context, "0123456789abcdef/0123", 0o600);
  const secret = await readPoolSecret(path);
  assert.ok(secret.ok);
  assert.equal(Buffer.from(secret.value).toString(), "0123456789abcdef/0123");
});

void test("a pool secret that others may read, that is too short, or that is missing is refused without showing it", async (context) => {
  const open = await readPoolSecret(await secretFile(context, "0123456789abcdef", 0o640));
  assert.ok(!open.ok);
  assert.match(open.error, /found mode 0640, expected 0600; run: chmod 600/);
  assert.doesNotMatch(open.error, /0123456789/);
  const short = await readPoolSecret(await secretFile(context, "abc\n", 0o600));
  assert.ok(!short.ok);
  assert.match(short.error, /found 3 bytes, expected at least 16/);
  const missing = await readPoolSecret("/nonexistent/ptoken");
  assert.ok(!missing.ok);
  assert.match(missing.error, /ENOENT/);
});

void test("while the peer uses the old key, both keys sign in turn; once it uses the new one, only that", () => {
  const keyring = createKeyring(peerKeys(key, null));
  keyring.sawPeerUse(key.keyId);
  keyring.replace(peerKeys(otherKey, key));
  const used = new Set([1, 2, 3, 4].map(() => keyring.nextForBeat().keyId));
  assert.deepEqual(used, new Set([key.keyId, otherKey.keyId]));
  assert.equal(keyring.forRequest().keyId, key.keyId);
  keyring.sawPeerUse(otherKey.keyId);
  keyring.sawPeerUse(key.keyId);
  assert.deepEqual(new Set([1, 2, 3, 4].map(() => keyring.nextForBeat().keyId)), new Set([otherKey.keyId]));
  assert.equal(keyring.forRequest().keyId, otherKey.keyId);
  assert.notEqual(keyring.find(key.keyId), null);
  keyring.replace(peerKeys(otherKey, null));
  assert.equal(keyring.find(key.keyId), null);
});

void test("the same secret twice is no rotation", () => {
  assert.equal(peerKeys(key, key).previous, null);
});

void test("the identity is the kernel's boot id and an incarnation that grows", async () => {
  const [first, second] = [await readIdentity(), await readIdentity()];
  assert.ok(first.ok && second.ok);
  assert.match(first.value.bootId, /^[0-9a-f]{32}$/);
  assert.equal(second.value.bootId, first.value.bootId);
  assert.ok(second.value.incarnation >= first.value.incarnation);
});
