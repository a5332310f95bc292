// The keys that hosts and witnesses share: lines of a file of their own, so that the witness never learns the pool
// secret, which would make it root on the hosts. Never logs, returns or stores what is written there but as keys.

import { randomBytes } from "node:crypto";
import { deriveKey, readSecretFile, type PeerKey } from "../peer/keys.ts";
import { err, ok, type Result } from "../../util/result.ts";

const info = "tandem witness v1";
const written = /^[0-9a-f]{64}$/;

/** A fresh key as it is written into the files. */
export const newWitnessKey = (): string => randomBytes(32).toString("hex");

/** The key of one pool from one line: two pools that were given the same line still have two keys. */
export function witnessKey(line: string, poolId: string): Result<PeerKey, string> {
  const text = line.trim().toLowerCase();
  if (!written.test(text)) return err("a key that is not written as 64 hexadecimal digits");
  return ok(deriveKey(Buffer.from(text, "latin1"), poolId, info));
}

/** The first key signs, both are accepted: two while they are being exchanged. Comments and empty lines do not count. */
export function parseWitnessKeys(content: string, poolId: string): Result<readonly PeerKey[], string> {
  const lines = content.split("\n").filter((line) => line.trim() !== "" && !line.trimStart().startsWith("#"));
  if (lines.length < 1 || lines.length > 2) return err(`${lines.length} keys, expected one, or two during an exchange`);
  const keys: PeerKey[] = [];
  for (const line of lines) {
    const key = witnessKey(line, poolId);
    if (!key.ok) return key;
    keys.push(key.value);
  }
  return ok(keys);
}

/** Reads and checks the file; the error is a sentence for the administrator and shows nothing of the content. */
export async function readWitnessKeys(path: string, poolId: string): Promise<Result<readonly PeerKey[], string>> {
  const content = await readSecretFile(path, "witness key", "copy it from the witness: tandem witness --new-key");
  if (!content.ok) return content;
  const keys = parseWitnessKeys(Buffer.from(content.value).toString("latin1"), poolId);
  return keys.ok ? keys : err(`Cannot use the witness key ${path}: found ${keys.error}`);
}
