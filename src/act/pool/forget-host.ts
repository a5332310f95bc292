// Takes a host that will not come back out of the pool and cleans up what it leaves: the power states and disk locks of its
// VMs, its PBDs, and SRs that no other host has. It must never be called for a host that was not proven dead outside XAPI,
// and never destroys data: an SR is only forgotten.

import type { Millis } from "../../core/model/time.ts";
import type { XapiSession } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import { DECLARE_TIMES, declareDead, type DeclareTimes } from "./declare-dead.ts";
import {
  askOf,
  change,
  describePoolFailure,
  during,
  hasCode,
  hostByUuid,
  readPool,
  refused,
  withPool,
  type Done,
  type PoolContext,
} from "./procedure.ts";

export interface ForgetTimes {
  readonly declare: DeclareTimes;
  readonly callMs: Millis;
}

export const FORGET_TIMES: ForgetTimes = { declare: DECLARE_TIMES, callMs: 60_000 };

export interface ForgetReport {
  readonly name: string;
  /** SRs that only this host could reach and that are forgotten now. */
  readonly forgottenSrs: readonly string[];
  /** What could not be cleaned up, with the reason. */
  readonly leftovers: readonly string[];
}

export function forgetHost(
  context: PoolContext,
  order: { readonly hostUuid: string; readonly ownUuid: string },
  times: ForgetTimes = FORGET_TIMES,
): Promise<Done<ForgetReport>> {
  return withPool(context, async (session) => {
    if (order.hostUuid === order.ownUuid) return refused("Cannot forget this host: run it on another host of the pool");
    const read = await readPool(context, session);
    if (!read.ok) return read;
    const host = hostByUuid(read.value.hosts, order.hostUuid);
    if (!host.ok) return host;
    if (read.value.pool.masterRef === host.value.ref)
      return refused(`Cannot forget ${host.value.name}: the pool database calls it master`);
    const declared = await declareDead(context, session, host.value, times.declare);
    if (!declared.ok) return declared;
    const lone = await loneSrs(context, session, host.value.ref);
    if (!lone.ok) return lone;
    const step = `forget ${host.value.name}`;
    const gone = await change(context, step, session, "host.destroy", [host.value.ref], times.callMs);
    if (!gone.ok && hasCode(gone.error, "HOST_IS_LIVE"))
      return refused(
        `Cannot forget ${host.value.name}: XAPI calls it live for up to ten minutes after its last word; try again then`,
      );
    if (!gone.ok) return gone;
    return tidy(context, session, host.value, lone.value, times);
  });
}

/** SRs of which only this host has a PBD: its local storage. */
async function loneSrs(
  context: PoolContext,
  session: XapiSession,
  hostRef: string,
): Promise<Done<readonly { readonly ref: string; readonly uuid: string }[]>> {
  const srs = during("read the storage repositories", await context.records.srs(session, askOf(context)));
  if (!srs.ok) return srs;
  const pbds = during("read the PBDs", await context.records.pbds(session, askOf(context)));
  if (!pbds.ok) return pbds;
  const of = (sr: string): readonly string[] => pbds.value.filter((pbd) => pbd.sr === sr).map((pbd) => pbd.host);
  return ok(srs.value.filter((sr) => of(sr.ref).length > 0 && of(sr.ref).every((host) => host === hostRef)));
}

async function tidy(
  context: PoolContext,
  session: XapiSession,
  host: { readonly ref: string; readonly name: string },
  lone: readonly { readonly ref: string; readonly uuid: string }[],
  times: ForgetTimes,
): Promise<Done<ForgetReport>> {
  const leftovers: string[] = [];
  const forgottenSrs: string[] = [];
  const pbds = during("read the PBDs", await context.records.pbds(session, askOf(context)));
  if (!pbds.ok) return err(pbds.error);
  for (const pbd of pbds.value.filter((one) => one.host === host.ref)) {
    const step = `remove a storage connection of ${host.name}`;
    const removed = await change(context, step, session, "PBD.destroy", [pbd.ref], times.callMs);
    if (!removed.ok) leftovers.push(describePoolFailure(removed.error));
  }
  for (const sr of lone) {
    const step = `forget storage ${sr.uuid} of ${host.name}`;
    const forgotten = await change(context, step, session, "SR.forget", [sr.ref], times.callMs);
    if (forgotten.ok) forgottenSrs.push(sr.uuid);
    else leftovers.push(describePoolFailure(forgotten.error));
  }
  return ok({ name: host.name, forgottenSrs, leftovers });
}
