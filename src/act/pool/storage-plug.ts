// Plugs this host's shared storage: xapi does it once at its start, which is too early when the floating IP moved
// later. Idempotent (PBD.plug of a plugged one answers at once). It must never unplug anything.

import type { Millis } from "../../core/model/time.ts";
import type { XapiCaller } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import { askOf, change, describePoolFailure, during, type Done, type PoolContext } from "./procedure.ts";

export interface PlugReport {
  /** SRs whose PBD on this host is attached now. */
  readonly attached: readonly string[];
  readonly failed: readonly { readonly sr: string; readonly because: string }[];
}

/** Looks, plugs what is missing, looks again. A PBD that does not plug is in the report, not a failure of the whole. */
export async function plugSharedStorage(
  context: PoolContext,
  caller: XapiCaller,
  hostRef: string,
  plugMs: Millis,
): Promise<Done<PlugReport>> {
  const srs = during("read the storage repositories", await context.records.srs(caller, askOf(context)));
  if (!srs.ok) return srs;
  const shared = new Map(srs.value.filter((sr) => sr.shared).map((sr) => [sr.ref, sr.uuid]));
  const before = during("read the PBDs", await context.records.pbds(caller, askOf(context)));
  if (!before.ok) return before;
  const own = before.value.filter((pbd) => pbd.host === hostRef && shared.has(pbd.sr));
  const reasons = new Map<string, string>();
  for (const pbd of own.filter((one) => !one.attached)) {
    const plugged = await change(context, `plug storage ${shared.get(pbd.sr)}`, caller, "PBD.plug", [pbd.ref], plugMs);
    if (plugged.ok) continue;
    if (plugged.error.kind === "not-permitted" || plugged.error.kind === "aborted") return err(plugged.error);
    reasons.set(pbd.ref, describePoolFailure(plugged.error));
  }
  const after = during("read the PBDs", await context.records.pbds(caller, askOf(context)));
  if (!after.ok) return after;
  const now = after.value.filter((pbd) => own.some((one) => one.ref === pbd.ref));
  const uuidOf = (sr: string): string => shared.get(sr) ?? sr;
  return ok({
    attached: now.filter((pbd) => pbd.attached).map((pbd) => uuidOf(pbd.sr)),
    failed: now
      .filter((pbd) => !pbd.attached)
      .map((pbd) => ({ sr: uuidOf(pbd.sr), because: reasons.get(pbd.ref) ?? "it is not attached after plugging" })),
  });
}
