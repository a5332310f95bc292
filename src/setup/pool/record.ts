// The setup in the pool's database: a XAPI Secret, because DRBD's secret is in it, and its UUID in the pool's other-config.

import { keepSecret, readSecrets, secretReferences } from "../../act/pool/secrets.ts";
import { askOf, describePoolFailure, during, withPool, type PoolContext } from "../../act/pool/procedure.ts";
import { err, ok, type Result } from "../../util/result.ts";

/** Lower case: a record of ours, no parameter. */
export const SETUP_RECORD = "storage_setup";
export const backupRecord = (hostUuid: string): string => `storage_backup_${hostUuid}`;

/** Null: there is none. */
export async function readPoolText(context: PoolContext, name: string): Promise<Result<string | null, string>> {
  const pool = await withPool(context, async (session) =>
    during("read the pool's records", await context.records.pool(session, askOf(context))),
  );
  if (!pool.ok) return err(describePoolFailure(pool.error));
  const references = secretReferences(pool.value.otherConfig, [name]);
  if (references[name] === undefined) return ok(null);
  const texts = await readSecrets(context, references);
  return texts.ok ? ok(texts.value[name] ?? null) : err(describePoolFailure(texts.error));
}

/** "" removes it. */
export async function writePoolText(context: PoolContext, name: string, text: string): Promise<Result<"kept", string>> {
  const kept = await keepSecret(context, name, text);
  return kept.ok ? kept : err(describePoolFailure(kept.error));
}
