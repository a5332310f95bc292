// Turns the pool secret into the key of the peer link. Never logs, returns or stores the secret itself.

import { hkdfSync } from "node:crypto";
import { open } from "node:fs/promises";
import { err, ok, type Result } from "../../util/result.ts";
import type { PeerKeys } from "./port.ts";

/** XAPI writes the pool secret here (0600, root) and replaces it when the secret is rotated. */
export const poolSecretPath = "/etc/xensource/ptoken";

const info = "tandem peer v1";
const smallestSecretBytes = 16;
const largestSecretBytes = 4096;

export interface PeerKey {
  readonly keyId: number;
  readonly key: Uint8Array;
}

/**
 * HKDF-SHA256 over the file content, salted with the pool's UUID: two pools with one secret still have two keys.
 * Surrounding white space is not part of the secret. The key's number is derived with it, so that both hosts name it
 * alike without agreeing on anything; it tells nothing about the key.
 */
export function derivePeerKey(poolSecret: Uint8Array, poolId: string): PeerKey {
  const secret = Buffer.from(Buffer.from(poolSecret).toString("latin1").trim(), "latin1");
  const salt = Buffer.from(poolId, "utf8");
  const key = new Uint8Array(hkdfSync("sha256", secret, salt, Buffer.from(info, "utf8"), 32));
  const number = Buffer.from(hkdfSync("sha256", secret, salt, Buffer.from(`${info} key id`, "utf8"), 4));
  return { keyId: number.readUInt32BE(0), key };
}

/** The keys for sending and for accepting; `previous` is null outside a rotation. */
export function peerKeys(current: PeerKey, previous: PeerKey | null): PeerKeys {
  return { keyId: current.keyId, key: current.key, previous: previous?.keyId === current.keyId ? null : previous };
}

/** Reads and checks the secret; the error is a sentence for the administrator and never contains the secret. */
export async function readPoolSecret(path: string = poolSecretPath): Promise<Result<Uint8Array, string>> {
  try {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return err(`Cannot use the pool secret ${path}: found no regular file`);
      const mode = stat.mode & 0o777;
      if ((mode & 0o077) !== 0) {
        const found = mode.toString(8).padStart(4, "0");
        return err(`Cannot use the pool secret ${path}: found mode ${found}, expected 0600; run: chmod 600 ${path}`);
      }
      const owner = process.getuid?.();
      if (owner !== undefined && stat.uid !== owner && stat.uid !== 0) {
        return err(
          `Cannot use the pool secret ${path}: found owner uid ${stat.uid}, expected 0; run: chown root ${path}`,
        );
      }
      if (stat.size > largestSecretBytes) {
        return err(
          `Cannot use the pool secret ${path}: found ${stat.size} bytes, expected at most ${largestSecretBytes}`,
        );
      }
      const content = await file.readFile();
      const length = content.toString("latin1").trim().length;
      if (length < smallestSecretBytes) {
        return err(
          `Cannot use the pool secret ${path}: found ${length} bytes, expected at least ${smallestSecretBytes}`,
        );
      }
      return ok(new Uint8Array(content));
    } finally {
      await file.close();
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return err(`Cannot read the pool secret ${path}: ${reason}; is this host a member of a pool?`);
  }
}
