// Makes this supporter the master of a pool whose master is dead (xapi.md 7.3). It must never do so while the old
// master's xapi still answers, and it does not prove the death itself: the decision to call it rests on fencing or vote.
//
//   look (pool.conf, does the master answer?) ─► local login ─► emergency transition ─► fuse, restart of xapi
//     ─► login: master is me ─► own host enabled ─► start-up complete ─► storage plugged

import type { Millis } from "../../core/model/time.ts";
import type { XapiSession } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import {
  askOf,
  change,
  describePoolFailure,
  during,
  hasCode,
  hostByUuid,
  readPool,
  refused,
  until,
  type Done,
  type NodeContext,
} from "./procedure.ts";
import { plugSharedStorage, type PlugReport } from "./storage-plug.ts";

export interface BecomeMasterTimes {
  /** How long the old master's xapi gets to show that it is alive. A forwarded call takes milliseconds. */
  readonly masterProbeMs: Millis;
  readonly localMs: Millis;
  /** From the transition until logins work again: 10 s fuse and the start of xapi. */
  readonly restartMs: Millis;
  readonly enableMs: Millis;
  readonly plugMs: Millis;
  readonly everyMs: Millis;
  /** Attempts of the transition while pool.conf still says supporter. */
  readonly attempts: number;
}

export const BECOME_MASTER_TIMES: BecomeMasterTimes = {
  masterProbeMs: 1_500,
  localMs: 5_000,
  restartMs: 90_000,
  enableMs: 60_000,
  plugMs: 60_000,
  everyMs: 500,
  attempts: 3,
};

export interface Mastership {
  readonly transition: "done" | "already";
  /** False: the host stays disabled (an operator's wish survives the promotion); no VM can start here. */
  readonly enabled: boolean;
  /** False: start-up, storage included, did not finish in time. */
  readonly complete: boolean;
  readonly storage: PlugReport;
}

export async function becomeMaster(
  context: NodeContext,
  ownUuid: string,
  times: BecomeMasterTimes = BECOME_MASTER_TIMES,
): Promise<Done<Mastership>> {
  const role = await context.node.role();
  if (!role.ok) return refused(role.error);
  if (role.value.kind === "broken")
    return refused("Cannot take the master role: pool.conf says broken, a hand-over is under way");
  const transition = role.value.kind === "master" ? "already" : "done";
  if (role.value.kind === "supporter") {
    const alive = await masterAnswers(context, times);
    if (alive) return refused(`Cannot take the master role: the xapi of master ${role.value.master} still answers`);
    const promoted = await promote(context, times);
    if (!promoted.ok) return promoted;
  }
  const own = await waitForMastership(context, ownUuid, times);
  if (!own.ok) return own;
  const { session, hostRef } = own.value;
  const result = await finish(context, session, ownUuid, hostRef, times);
  void session.logout(1_000);
  return result.ok ? ok({ transition, ...result.value }) : result;
}

/** A pool login on a supporter ends in the master's database: with a dead master it hangs. */
async function masterAnswers(context: NodeContext, times: BecomeMasterTimes): Promise<boolean> {
  if (times.masterProbeMs <= 0) return false;
  context.progress("ask whether the old master answers");
  const session = await context.gate.openPool(times.masterProbeMs, context.signal);
  if (session.ok) void session.value.logout(1_000);
  // The session was written into the master's database: that alone is its answer.
  return session.ok;
}

async function promote(context: NodeContext, times: BecomeMasterTimes): Promise<Done<"promoted">> {
  for (let attempt = 1; ; attempt += 1) {
    const made = await transitionOnce(context, times);
    if (made.ok) return ok("promoted");
    // The answer may be lost although the call worked: pool.conf knows.
    const role = await context.node.role();
    if (role.ok && role.value.kind === "master") return ok("promoted");
    const hopeless = made.error.kind !== "xapi" || hasCode(made.error, "HA_IS_ENABLED");
    if (hopeless || attempt >= times.attempts) return made;
    context.progress(`try again: ${describePoolFailure(made.error)}`);
    await context.clock.sleep(times.everyMs * 2 ** attempt, context.signal);
  }
}

async function transitionOnce(context: NodeContext, times: BecomeMasterTimes): Promise<Done<"asked">> {
  const local = during("log in locally", await context.gate.openLocal(times.localMs, context.signal));
  if (!local.ok) return local;
  const step = "take the master role";
  const asked = await change(context, step, local.value, "pool.emergency_transition_to_master", [], times.localMs * 2);
  return asked.ok ? ok("asked") : asked;
}

/**
 * Logins fail or hang until xapi has restarted in its new role: the old process cannot answer a pool login, because its
 * master is dead.
 */
function waitForMastership(
  context: NodeContext,
  ownUuid: string,
  times: BecomeMasterTimes,
): Promise<Done<{ session: XapiSession; hostRef: string }>> {
  const wait = {
    step: "wait for xapi to restart as master",
    expected: "this host as the pool's master",
    withinMs: times.restartMs,
    everyMs: times.everyMs,
  };
  return until(context, wait, async () => {
    const role = await context.node.role();
    if (role.ok && role.value.kind === "supporter") {
      // xapi asks the other hosts at its start and steps back when one calls itself master (xapi.md 3).
      const reason = `Cannot take the master role: xapi stepped back, ${role.value.master} answers as master`;
      return { kind: "never", failure: { kind: "refused", reason } };
    }
    const session = await context.gate.openPool(2_000, context.signal);
    if (!session.ok)
      return { kind: "not-yet", found: describePoolFailure({ kind: "xapi", during: "log in", error: session.error }) };
    const read = await readPool(context, session.value);
    const host = read.ok ? hostByUuid(read.value.hosts, ownUuid) : read;
    if (read.ok && host.ok && read.value.pool.masterRef === host.value.ref) {
      return { kind: "yes", value: { session: session.value, hostRef: host.value.ref } };
    }
    void session.value.logout(1_000);
    if (!read.ok && read.error.kind === "refused") return { kind: "never", failure: read.error };
    return { kind: "not-yet", found: host.ok ? "another host as master" : describePoolFailure(host.error) };
  });
}

async function finish(
  context: NodeContext,
  session: XapiSession,
  ownUuid: string,
  hostRef: string,
  times: BecomeMasterTimes,
): Promise<Done<Omit<Mastership, "transition">>> {
  const wait = { withinMs: times.enableMs, everyMs: times.everyMs };
  // xapi enables its host at the end of its start-up; a host that an operator disabled stays so, and that is no error.
  const enabled = await until(
    context,
    { ...wait, step: "wait for this host to enable itself", expected: "enabled" },
    async () => {
      const hosts = await context.records.hosts(session, askOf(context));
      const host = hosts.ok ? hosts.value.find((one) => one.uuid === ownUuid) : undefined;
      return host?.enabled === true
        ? { kind: "yes", value: true }
        : { kind: "not-yet", found: hosts.ok ? "disabled" : "no answer" };
    },
  );
  if (!enabled.ok && enabled.error.kind !== "unverified") return err(enabled.error);
  const complete = await until(
    context,
    { ...wait, step: "wait for the end of start-up", expected: "its cookie" },
    async () => {
      const [cookie, role] = await Promise.all([context.node.initCompleteAtMs(), context.node.role()]);
      // A cookie older than pool.conf was left by the xapi of before the transition.
      const fresh = cookie.ok && role.ok && cookie.value !== null && cookie.value >= role.value.changedAtMs;
      return fresh ? { kind: "yes", value: true } : { kind: "not-yet", found: "no cookie of this start" };
    },
  );
  if (!complete.ok && complete.error.kind !== "unverified") return err(complete.error);
  const storage = await plugSharedStorage(context, session, hostRef, times.plugMs);
  return storage.ok ? ok({ enabled: enabled.ok, complete: complete.ok, storage: storage.value }) : storage;
}
