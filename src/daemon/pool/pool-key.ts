// Follows the pool secret: when XAPI rotates it, the peer link gets the new key beside the old one, so that the two hosts,
// which learn of it at different moments, never stop hearing each other. Keeps the old key on any doubt.

import { watchSettled } from "../../config/watch.ts";
import type { PeerKeys } from "../../drivers/peer/port.ts";
import { derivePeerKey, peerKeys, readPoolSecret, type PeerKey } from "../../drivers/peer/keys.ts";

/** After the other host shows the new key: what it signed with the old one may still be under way, and it signs in turn. */
const RETIRE_MS = 60_000;

export interface PoolKey {
  readonly keys: () => PeerKeys;
  /** The other host uses the newest key too: the one before it is given up soon. */
  agreed(): void;
  stop(): Promise<void>;
}

export interface PoolKeyOptions {
  readonly path: string;
  readonly poolId: string;
  /** As read at the start. */
  readonly secret: Uint8Array;
  readonly onKeys: (keys: PeerKeys, keyId: string) => void;
  readonly onProblem: (reason: string) => void;
  readonly settleMs?: number;
  readonly retireMs?: number;
}

export function followPoolKey(options: PoolKeyOptions): PoolKey {
  let current: PeerKey = derivePeerKey(options.secret, options.poolId);
  let previous: PeerKey | null = null;
  let retiring: NodeJS.Timeout | null = null;
  let said = "";

  const stopRetiring = (): void => {
    if (retiring !== null) clearTimeout(retiring);
    retiring = null;
  };
  const tell = (): void => options.onKeys(peerKeys(current, previous), String(current.keyId));

  async function read(isStopped: () => boolean): Promise<void> {
    const secret = await readPoolSecret(options.path);
    if (isStopped()) return;
    const problem = secret.ok ? "" : `${secret.error}; the key read before stays in force`;
    if (problem !== "" && problem !== said) options.onProblem(problem);
    said = problem;
    if (!secret.ok) return;
    const next = derivePeerKey(secret.value, options.poolId);
    if (next.keyId === current.keyId) return;
    stopRetiring();
    previous = current;
    current = next;
    tell();
  }

  const watch = watchSettled(options.path, options.settleMs ?? 200, read, (found) =>
    options.onProblem(`Cannot watch the pool secret ${options.path}: found ${found}; restart tandemd after a rotation`),
  );

  return {
    keys: () => peerKeys(current, previous),
    agreed() {
      if (previous === null || retiring !== null) return;
      retiring = setTimeout(() => {
        retiring = null;
        previous = null;
        tell();
      }, options.retireMs ?? RETIRE_MS);
    },
    async stop() {
      stopRetiring();
      await watch.stop();
    },
  };
}
