// Brings hosts into the pool of this master that still point at a dead one, or believe to be the master themselves. It must
// never run on a host that is not the master: recover_slaves turns every other host it reaches into our supporter.

import type { Millis } from "../../core/model/time.ts";
import type { HostRecord, XapiSession } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import {
  askOf,
  change,
  hostByUuid,
  mayHaveHappened,
  readPool,
  refused,
  until,
  withPool,
  type Done,
  type Look,
  type PoolContext,
} from "./procedure.ts";

export interface RecoverTimes {
  /** At least this long, and `perHostMs` for each host: an unreachable one costs xapi 3 s. */
  readonly callMs: Millis;
  readonly perHostMs: Millis;
  readonly probeMs: Millis;
  /** A host restarts its xapi after 10 s and says hello. */
  readonly settleMs: Millis;
  readonly everyMs: Millis;
}

export const RECOVER_TIMES: RecoverTimes = {
  callMs: 60_000,
  perHostMs: 4_000,
  probeMs: 5_000,
  settleMs: 120_000,
  everyMs: 1_000,
};

/** Ends when each of `peerUuids` is a supporter of this master; the failure names those that did not come. */
export async function recoverSupporters(
  context: PoolContext,
  hosts: { readonly ownUuid: string; readonly peerUuids: readonly string[] },
  times: RecoverTimes = RECOVER_TIMES,
): Promise<Done<"changed" | "already">> {
  return withPool(context, async (session) => {
    const read = await readPool(context, session);
    if (!read.ok) return read;
    const all = read.value.hosts;
    const own = hostByUuid(all, hosts.ownUuid);
    if (!own.ok) return own;
    if (read.value.pool.masterRef !== own.value.ref)
      return refused("Cannot recover the supporters: this host is not the master");
    const unknown = hosts.peerUuids.find((uuid) => !all.some((one) => one.uuid === uuid));
    if (unknown !== undefined) return refused(`Cannot find host ${unknown} in the pool database`);
    const peers = all.filter((one) => hosts.peerUuids.includes(one.uuid));
    const before = await Promise.all(peers.map((peer) => joined(context, session, peer, times)));
    const missing = peers.filter((_, i) => before[i]?.kind !== "yes");
    if (missing.length === 0) return ok("already" as const);
    const names = missing.map(({ name }) => name).join(", ");
    const deadlineMs = Math.max(times.callMs, times.perHostMs * all.length);
    const step = `make ${names} supporters of this master`;
    const asked = await change(context, step, session, "pool.recover_slaves", [], deadlineMs);
    if (!asked.ok && !mayHaveHappened(asked.error)) return asked;
    const waits = missing.map((peer) => {
      const wait = { step: `wait for ${peer.name} to join`, expected: "a live supporter" };
      return until(context, { ...wait, withinMs: times.settleMs, everyMs: times.everyMs }, () =>
        joined(context, session, peer, times),
      );
    });
    const failed = (await Promise.all(waits)).find((done) => !done.ok);
    return failed === undefined || failed.ok ? ok("changed" as const) : err(failed.error);
  });
}

/**
 * Joined = this master's database calls it live (it said hello to this very process), and it does not call itself a
 * master. `live` alone is not enough: it stays true for ten minutes.
 */
async function joined(
  context: PoolContext,
  session: XapiSession,
  peer: HostRecord,
  times: RecoverTimes,
): Promise<Look<"joined">> {
  const live = await context.records.isLive(session, peer, askOf(context));
  if (!live.ok || !live.value) return { kind: "not-yet", found: live.ok ? "a host that is not live" : "no answer" };
  const local = await context.gate.openPeerLocal(peer.address, times.probeMs, context.signal);
  if (!local.ok) return { kind: "not-yet", found: "a peer whose xapi does not answer" };
  const supporter = await local.value.call("pool.is_slave", [peer.ref], times.probeMs, context.signal);
  void local.value.logout(1_000);
  if (supporter.ok && supporter.value === true) return { kind: "yes", value: "joined" };
  return { kind: "not-yet", found: supporter.ok ? "a second master" : "a peer that cannot tell its role" };
}
