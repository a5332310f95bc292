// The pool-wide parameters in the pool's other-config: read all, change some. It must never touch a key of others, and
// never replace the whole map: a key that a GUI adds at the same moment would be lost.

import type { XapiSession } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import { askOf, change, during, hasCode, withPool, type Done, type PoolContext } from "./procedure.ts";

/** Keys of ours begin with this. */
export const KEY_PREFIX = "tandem:";

/** Parameter name -> value, without the prefix. */
export function ownKeys(otherConfig: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const own = Object.entries(otherConfig).filter(([key]) => key.startsWith(KEY_PREFIX));
  return Object.fromEntries(own.map(([key, value]) => [key.slice(KEY_PREFIX.length), value]));
}

/** Parameters by name, without the prefix; null removes one. */
export function writePoolConfig(
  context: PoolContext,
  changes: Readonly<Record<string, string | null>>,
): Promise<Done<{ readonly copied: boolean }>> {
  return writePoolKeys(
    context,
    Object.fromEntries(Object.entries(changes).map(([name, value]) => [KEY_PREFIX + name, value])),
  );
}

/**
 * Sets each key of other-config to its value; null removes it. Verified by reading; then the other hosts are asked to
 * copy the database, because otherwise a failover within five minutes would bring the old values back.
 */
export function writePoolKeys(
  context: PoolContext,
  changes: Readonly<Record<string, string | null>>,
): Promise<Done<{ readonly copied: boolean }>> {
  return withPool(context, async (session) => {
    const before = during("read the pool's parameters", await context.records.pool(session, askOf(context)));
    if (!before.ok) return before;
    for (const [key, value] of Object.entries(changes)) {
      if ((before.value.otherConfig[key] ?? null) === value) continue;
      const written = await writeKey(context, session, before.value.ref, key, value);
      if (!written.ok) return written;
    }
    const after = during("read the pool's parameters", await context.records.pool(session, askOf(context)));
    if (!after.ok) return after;
    for (const [key, value] of Object.entries(changes)) {
      const found = after.value.otherConfig[key] ?? null;
      if (found !== value) {
        return err({ kind: "unverified", during: `set ${key}`, found: `"${found}"`, expected: `"${value}"` });
      }
    }
    const copied = await session.call("pool.sync_database", [], context.readMs, context.signal);
    return ok({ copied: copied.ok });
  });
}

async function writeKey(
  context: PoolContext,
  session: XapiSession,
  poolRef: string,
  key: string,
  value: string | null,
): Promise<Done<"written">> {
  // add_to refuses an existing key, and removing an absent one succeeds: so always remove first. Someone who sets the
  // same key between the two calls makes add_to fail; the second round then wins.
  for (const round of [1, 2]) {
    const removed = await change(
      context,
      `clear ${key}`,
      session,
      "pool.remove_from_other_config",
      [poolRef, key],
      context.readMs,
    );
    if (!removed.ok) return removed;
    if (value === null) return ok("written");
    // No second question for permission here: between the two calls the parameter is gone.
    const add = session.call("pool.add_to_other_config", [poolRef, key, value], context.readMs);
    const added = during(`set ${key}`, await add);
    if (added.ok) return ok("written");
    if (round === 2 || !hasCode(added.error, "MAP_DUPLICATE_KEY")) return added;
  }
  return ok("written");
}
