// Which key signs, and which keys are accepted, while the pool secret rotates. Never does I/O.
//
// The two hosts reload a new secret at different moments. The one that is ahead keeps using both keys in turn until the
// other is seen using the new one; without this the slower host would hear nothing and count its peer as lost.

import type { PeerKeys } from "./port.ts";

export interface SigningKey {
  readonly keyId: number;
  readonly key: Uint8Array;
}

export interface Keyring {
  /** Key for the next heartbeat round. */
  nextForBeat(): SigningKey;
  /** Key for a request or an answer: the newest one that the peer is known to hold. */
  forRequest(): SigningKey;
  /** The accepted key of that number, or null. */
  readonly find: (keyId: number) => SigningKey | null;
  /** An authentic packet of the peer was signed with this key. */
  sawPeerUse(keyId: number): void;
  readonly replace: (keys: PeerKeys) => void;
}

export function createKeyring(initial: PeerKeys): Keyring {
  let keys = initial;
  let peerUses: number | null = null;
  let turn = 0;
  const current = (): SigningKey => ({ keyId: keys.keyId, key: keys.key });
  return {
    nextForBeat() {
      if (keys.previous === null || peerUses === keys.keyId) return current();
      turn += 1;
      return turn % 2 === 1 ? current() : keys.previous;
    },
    forRequest: () => (keys.previous !== null && peerUses === keys.previous.keyId ? keys.previous : current()),
    find(keyId) {
      if (keyId === keys.keyId) return current();
      return keys.previous !== null && keyId === keys.previous.keyId ? keys.previous : null;
    },
    sawPeerUse(keyId) {
      // Never back to the old key by a late packet once the new one was seen.
      if (peerUses !== keys.keyId) peerUses = keyId;
    },
    replace(next) {
      keys = next;
    },
  };
}
