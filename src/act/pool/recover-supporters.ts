// Brings a returned host into the pool of this master: it still points at a dead master, or believes to be one. It must
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
  /** An unreachable host costs xapi 3 s. */
  readonly callMs: Millis;
  readonly probeMs: Millis;
  /** The peer restarts its xapi after 10 s and says hello. */
  readonly settleMs: Millis;
  readonly everyMs: Millis;
}

export const RECOVER_TIMES: RecoverTimes = { callMs: 60_000, probeMs: 5_000, settleMs: 120_000, everyMs: 1_000 };

export async function recoverSupporters(
  context: PoolContext,
  hosts: { readonly ownUuid: string; readonly peerUuid: string },
  times: RecoverTimes = RECOVER_TIMES,
): Promise<Done<"changed" | "already">> {
  return withPool(context, async (session) => {
    const read = await readPool(context, session);
    if (!read.ok) return read;
    const own = hostByUuid(read.value.hosts, hosts.ownUuid);
    if (!own.ok) return own;
    if (read.value.pool.masterRef !== own.value.ref)
      return refused("Cannot recover the supporters: this host is not the master");
    const peer = hostByUuid(read.value.hosts, hosts.peerUuid);
    if (!peer.ok) return peer;
    const before = await joined(context, session, peer.value, times);
    if (before.kind === "yes") return ok("already" as const);
    const step = `make ${peer.value.name} a supporter of this master`;
    const asked = await change(context, step, session, "pool.recover_slaves", [], times.callMs);
    if (!asked.ok && !mayHaveHappened(asked.error)) return asked;
    const wait = { step: `wait for ${peer.value.name} to join`, expected: "a live supporter" };
    const done = await until(context, { ...wait, withinMs: times.settleMs, everyMs: times.everyMs }, () =>
      joined(context, session, peer.value, times),
    );
    return done.ok ? ok("changed" as const) : err(done.error);
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
