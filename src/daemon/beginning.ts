// What the daemon must have read before it can begin at all; each error says what to mend.

import type { StorageConfig } from "../config/config.ts";
import { readIdentity } from "../drivers/peer/identity.ts";
import { derivePeerKey, readPoolSecret } from "../drivers/peer/keys.ts";
import type { Logger } from "../report/logger.ts";
import { err, ok, type Result } from "../util/result.ts";
import { takeExchangeNote } from "./exchange-note.ts";
import { XAPI } from "./paths.ts";
import { openSettings, type Settings } from "./settings/settings.ts";

export interface Beginning {
  readonly settings: Settings;
  /** Null on a host that holds no copy of the storage. */
  readonly storage: StorageConfig | null;
  readonly identity: {
    readonly bootId: string;
    readonly incarnation: number;
    /** This daemon takes the place of one that stopped as agreed (A7). */
    readonly exchanged: boolean;
  };
  readonly secret: Uint8Array;
  readonly logger: Logger;
}

export async function readBeginning(
  configPath: string | undefined,
  logger: Logger,
): Promise<Result<Beginning, string>> {
  const secret = await readPoolSecret(XAPI.secret);
  if (!secret.ok) return secret;
  const opened = await openSettings({
    ...(configPath === undefined ? {} : { path: configPath }),
    keyIdOf: (poolId) => String(derivePeerKey(secret.value, poolId).keyId),
  });
  if (!opened.ok) return err(opened.error.join("\n"));
  const identity = await readIdentity();
  if (!identity.ok) return identity;
  const exchanged = takeExchangeNote();
  if (exchanged) logger.event("state.changed", { detail: "in the place of a daemon that stopped as agreed (A7)" });
  const { storage: section, self, pool } = opened.value.config();
  const storage = self.diskless === true ? null : section;
  if (storage === null && pool === null)
    return err("Cannot start: found two hosts and no storage section in tandem.yaml, expected one, or three hosts");
  return ok({
    settings: opened.value,
    storage,
    identity: { ...identity.value, exchanged },
    secret: secret.value,
    logger,
  });
}
