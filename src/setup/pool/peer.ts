// Asks the other host by xapi: its plugin runs there as root, in a session of this pool. No ssh, no key, no port of our own.

import {
  askOf,
  describePoolFailure,
  during,
  withPool,
  type PoolContext,
  type PoolFailure,
} from "../../act/pool/procedure.ts";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import { PLUGIN, pluginArguments, type PluginCall } from "./plugin.ts";

/** create-md on a big disk takes minutes. */
const CALL_MS: Readonly<Record<PluginCall["fn"], Millis>> = {
  identify: 60_000,
  plan: 180_000,
  apply: 900_000,
  serve: 120_000,
  check: 180_000,
  undo: 240_000,
  keep: 120_000,
  disk: 120_000,
};

export interface PoolPlace {
  readonly poolUuid: string;
  readonly masterUuid: string;
  readonly hosts: readonly { readonly uuid: string; readonly name: string; readonly address: string }[];
}

export async function readPlace(context: PoolContext): Promise<Result<PoolPlace, string>> {
  const found = await withPool(context, async (session) => {
    const pool = during("read the pool", await context.records.pool(session, askOf(context)));
    if (!pool.ok) return pool;
    const hosts = during("read the pool's hosts", await context.records.hosts(session, askOf(context)));
    return hosts.ok ? ok({ pool: pool.value, hosts: hosts.value }) : hosts;
  });
  if (!found.ok) return err(describePoolFailure(found.error));
  const { pool, hosts } = found.value;
  return ok({
    poolUuid: pool.uuid,
    masterUuid: hosts.find(({ ref }) => ref === pool.masterRef)?.uuid ?? "",
    hosts: hosts.map(({ uuid, name, address }) => ({ uuid, name, address })),
  });
}

/** The other host's answer, a JSON text. */
export async function askHost(
  context: PoolContext,
  host: { readonly uuid: string; readonly name: string },
  call: PluginCall,
): Promise<Result<unknown, string>> {
  const answer = await withPool(context, async (session) => {
    const ref = during(`find ${host.name}`, await session.call("host.get_by_uuid", [host.uuid], context.readMs));
    if (!ref.ok) return ref;
    const { fn } = call;
    const params = [ref.value, PLUGIN, fn, pluginArguments(call)];
    return during(
      `ask ${host.name} (${fn})`,
      await session.call("host.call_plugin", params, CALL_MS[fn], context.signal),
    );
  });
  if (!answer.ok) return err(failureOf(answer.error, host.name));
  try {
    return ok(JSON.parse(typeof answer.value === "string" ? answer.value : "") as unknown);
  } catch {
    return err(`Cannot read the answer of ${host.name}: is the same version of the package installed there?`);
  }
}

function failureOf(failure: PoolFailure, name: string): string {
  if (failure.kind !== "xapi" || failure.error.kind !== "api") return describePoolFailure(failure);
  const { code, params } = failure.error;
  if (code === "XENAPI_MISSING_PLUGIN") return `${name} has no plugin "${PLUGIN}": install the tandem package there`;
  if (code === "XENAPI_PLUGIN_FAILURE") return `${name}: ${params.at(-1) ?? "its part failed"}`;
  if (code === "HOST_OFFLINE" || code === "CANNOT_CONTACT_HOST") return `${name} is not reachable: both hosts must run`;
  return describePoolFailure(failure);
}
