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
  return deriveKey(poolSecret, poolId, info);
}

/** The same for another purpose: the keys of two purposes have nothing in common. */
export function deriveKey(content: Uint8Array, poolId: string, purpose: string): PeerKey {
  const secret = Buffer.from(Buffer.from(content).toString("latin1").trim(), "latin1");
  const salt = Buffer.from(poolId, "utf8");
  const key = new Uint8Array(hkdfSync("sha256", secret, salt, Buffer.from(purpose, "utf8"), 32));
  const number = Buffer.from(hkdfSync("sha256", secret, salt, Buffer.from(`${purpose} key id`, "utf8"), 4));
  return { keyId: number.readUInt32BE(0), key };
}

/** The keys for sending and for accepting; `previous` is null outside a rotation. */
export function peerKeys(current: PeerKey, previous: PeerKey | null): PeerKeys {
  return { keyId: current.keyId, key: current.key, previous: previous?.keyId === current.keyId ? null : previous };
}

/** Reads and checks the secret; the error is a sentence for the administrator and never contains the secret. */
export function readPoolSecret(path: string = poolSecretPath): Promise<Result<Uint8Array, string>> {
  return readSecretFile(path, "pool secret", "is this host a member of a pool?");
}

/** A small file that only root may read. `what` names it in errors, `advice` ends the one that it cannot be read. */
export async function readSecretFile(
  path: string,
  what: string,
  advice: string,
  largestBytes = largestSecretBytes,
): Promise<Result<Uint8Array, string>> {
  try {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return err(`Cannot use the ${what} ${path}: found no regular file`);
      const mode = stat.mode & 0o777;
      if ((mode & 0o077) !== 0) {
        const found = mode.toString(8).padStart(4, "0");
        return err(`Cannot use the ${what} ${path}: found mode ${found}, expected 0600; run: chmod 600 ${path}`);
      }
      const owner = process.getuid?.();
      if (owner !== undefined && stat.uid !== owner && stat.uid !== 0) {
        return err(`Cannot use the ${what} ${path}: found owner uid ${stat.uid}, expected 0; run: chown root ${path}`);
      }
      if (stat.size > largestBytes) {
        return err(`Cannot use the ${what} ${path}: found ${stat.size} bytes, expected at most ${largestBytes}`);
      }
      const content = await file.readFile();
      const length = content.toString("latin1").trim().length;
      if (length < smallestSecretBytes) {
        return err(`Cannot use the ${what} ${path}: found ${length} bytes, expected at least ${smallestSecretBytes}`);
      }
      return ok(new Uint8Array(content));
    } finally {
      await file.close();
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return err(`Cannot read the ${what} ${path}: ${reason}; ${advice}`);
  }
}
