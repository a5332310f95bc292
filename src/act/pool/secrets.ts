// Passwords of the pool as XAPI Secrets: the pool's other-config, which every user of the pool may read, holds only a
// Secret's UUID. It must never leave a copy of a password in other-config, and never put one into a message.

import type { XapiError, XapiValue } from "../../drivers/xapi/port.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { KEY_PREFIX } from "./pool-config.ts";
import {
  askOf,
  change,
  describePoolFailure,
  during,
  hasCode,
  refused,
  withPool,
  type Done,
  type PoolContext,
  type PoolFailure,
} from "./procedure.ts";

const referenceKey = (name: string): string => `${KEY_PREFIX}${name}_SECRET`;

/** Parameter name -> UUID of its Secret. */
export function secretReferences(
  otherConfig: Readonly<Record<string, string>>,
  names: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const uuid = otherConfig[referenceKey(name)];
      return uuid === undefined || uuid === "" ? [] : [[name, uuid]];
    }),
  );
}

/** The texts behind the references. A Secret that is gone is left out; any other failure fails the whole. */
export function readSecrets(
  context: PoolContext,
  references: Readonly<Record<string, string>>,
): Promise<Done<Readonly<Record<string, string>>>> {
  return withPool(context, async (session) => {
    const texts: Record<string, string> = {};
    for (const [name, uuid] of Object.entries(references)) {
      const step = `read the secret of ${name}`;
      const ref = during(step, await session.call("secret.get_by_uuid", [uuid], context.readMs, context.signal));
      if (!ref.ok && hasCode(ref.error, "UUID_INVALID")) continue;
      if (!ref.ok) return ref;
      const text = during(step, hideReply(await session.call("secret.get_value", [ref.value], context.readMs)));
      if (!text.ok) return text;
      if (typeof text.value === "string") texts[name] = text.value;
    }
    return ok(texts);
  });
}

/** An answer that cannot be read may hold the password it was asked for. */
function hideReply<T>(answer: Result<T, XapiError>): Result<T, XapiError> {
  if (answer.ok || answer.error.kind !== "malformed") return answer;
  return err({ ...answer.error, sample: "(not shown: it may hold the password)" });
}

/** xapi repeats parameters in some of its errors. */
function withoutText(failure: PoolFailure, text: string): Result<never, PoolFailure> {
  if (!describePoolFailure(failure).includes(text)) return err(failure);
  return refused(
    "Cannot keep a password as a XAPI Secret: xapi refused it; its words are not shown, they hold the password",
  );
}

/**
 * Keeps `text` as the Secret of `name`; "" only removes. The new Secret is referenced before what was there goes, so
 * that a failure at any step leaves a password behind, never none. Removes the parameter's own keys in any case.
 */
export function keepSecret(context: PoolContext, name: string, text: string): Promise<Done<"kept">> {
  return withPool(context, async (session) => {
    const step = `keep ${name} as a XAPI Secret`;
    const pool = during(step, await context.records.pool(session, askOf(context)));
    if (!pool.ok) return pool;
    const { ref: poolRef, otherConfig } = pool.value;
    const call = (method: string, params: readonly XapiValue[]): Promise<Done<XapiValue>> =>
      change(context, step, session, method, params, context.readMs);
    const key = referenceKey(name);
    const old = otherConfig[key];
    let uuid: string | null = null;
    if (text !== "") {
      const made = await call("secret.create", [{ value: text, other_config: { tandem: name } }]);
      if (!made.ok) return withoutText(made.error, text);
      const found = during(step, await session.call("secret.get_uuid", [made.value], context.readMs));
      if (!found.ok) return found;
      if (typeof found.value !== "string")
        return err({ kind: "unverified", during: step, found: "no UUID", expected: "the UUID of the new Secret" });
      uuid = found.value;
    }
    const plain = Object.keys(otherConfig).filter((one) => one.toUpperCase() === `${KEY_PREFIX}${name}`.toUpperCase());
    for (const one of [key, ...(uuid === null ? plain : [])]) {
      const removed = await call("pool.remove_from_other_config", [poolRef, one]);
      if (!removed.ok) return removed;
    }
    if (uuid !== null) {
      const added = await call("pool.add_to_other_config", [poolRef, key, uuid]);
      if (!added.ok) return added;
      for (const one of plain) {
        const removed = await call("pool.remove_from_other_config", [poolRef, one]);
        if (!removed.ok) return removed;
      }
    }
    const after = during(step, await context.records.pool(session, askOf(context)));
    if (!after.ok) return after;
    const left = Object.keys(after.value.otherConfig).some((one) => plain.includes(one));
    if (left || (after.value.otherConfig[key] ?? null) !== uuid) {
      return err({
        kind: "unverified",
        during: step,
        found: left ? "the text in the open" : "another reference",
        expected: "its UUID alone",
      });
    }
    if (old !== undefined && old !== uuid) {
      const previous = await session.call("secret.get_by_uuid", [old], context.readMs);
      if (previous.ok) await session.call("secret.destroy", [previous.value], context.readMs);
    }
    // Without this a failover within five minutes would bring the old state back (xapi.md 0.5).
    await session.call("pool.sync_database", [], context.readMs, context.signal);
    return ok("kept" as const);
  });
}
