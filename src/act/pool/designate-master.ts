// The planned hand-over of the master role, both hosts alive (xapi.md 2.1). It must never be used when a host is dead:
// that is becomeMaster. Every session ends with it; both xapis restart about 10 s later.

import type { Instant, Millis } from "../../core/model/time.ts";
import { ok } from "../../util/result.ts";
import {
  askOf,
  change,
  describePoolFailure,
  hostByUuid,
  mayHaveHappened,
  readPool,
  refused,
  until,
  withPool,
  type Done,
  type Look,
  type NodeContext,
} from "./procedure.ts";

export interface DesignateTimes {
  readonly callMs: Millis;
  /** Until the old sessions are gone: the fuse. */
  readonly fuseMs: Millis;
  /** From then until both hosts are back in their roles. */
  readonly settleMs: Millis;
  /** Waiting ends when the other host was out of contact for so long: it may be dead, and what is then to be done waits for this. */
  readonly aloneMs: Millis;
  readonly everyMs: Millis;
}

export const DESIGNATE_TIMES: DesignateTimes = {
  callMs: 60_000,
  fuseMs: 30_000,
  settleMs: 120_000,
  aloneMs: 5_000,
  everyMs: 1_000,
};

/** Ends when this host's role fits, the database names the new master, and every host is enabled as it was before. */
export async function designateMaster(
  context: NodeContext,
  hosts: { readonly ownUuid: string; readonly targetUuid: string },
  times: DesignateTimes = DESIGNATE_TIMES,
): Promise<Done<"changed" | "already">> {
  const isAlone = aloneFor(context, times.aloneMs);
  const handed = await withPool(context, async (session) => {
    const read = await readPool(context, session);
    if (!read.ok) return read;
    const target = hostByUuid(read.value.hosts, hosts.targetUuid);
    if (!target.ok) return target;
    if (read.value.pool.masterRef === target.value.ref) return ok(null);
    if (!target.value.enabled)
      return refused(`Cannot make ${target.value.name} the master: it is disabled (maintenance)`);
    const live = await context.records.isLive(session, target.value, askOf(context));
    if (!live.ok || !live.value)
      return refused(`Cannot make ${target.value.name} the master: xapi does not see it alive`);
    const step = `hand the master role to ${target.value.name}`;
    const call = "pool.designate_new_master";
    const asked = await change(context, step, session, call, [target.value.ref], times.callMs);
    // A lost answer may have worked: what follows looks at the roles and tells.
    if (!asked.ok && !mayHaveHappened(asked.error)) return asked;
    const enabledBefore = read.value.hosts.filter((host) => host.enabled).map((host) => host.uuid);
    const wait = { step: "wait for the old sessions to end", expected: "an invalid session" };
    await until(
      context,
      { ...wait, withinMs: times.fuseMs, everyMs: times.everyMs },
      async (): Promise<Look<"over">> => {
        if (isAlone()) return { kind: "yes", value: "over" };
        // The old xapi answers as if nothing had happened until its fuse has burnt down.
        const alive = await session.call("pool.get_all", [], 3_000, context.signal);
        return alive.ok ? { kind: "not-yet", found: "a working session" } : { kind: "yes", value: "over" };
      },
    );
    return ok(enabledBefore);
  });
  if (!handed.ok) return handed;
  const enabledBefore = handed.value;
  if (enabledBefore === null) return ok("already");
  const wait = {
    step: "wait for both hosts in their new roles",
    expected: "the new master and every host enabled",
    withinMs: times.settleMs,
    everyMs: times.everyMs,
  };
  return until(context, wait, async () => {
    if (isAlone()) return { kind: "never", failure: { kind: "not-permitted", before: wait.step } };
    return settled(context, hosts, enabledBefore);
  });
}

/** Whether the order has not been permitted for so long, without a break: asked again and again. */
function aloneFor({ clock, permitted }: NodeContext, limitMs: Millis): () => boolean {
  let since: Instant | null = null;
  return () => {
    since = permitted() ? null : (since ?? clock.now());
    return since !== null && clock.now() - since >= limitMs;
  };
}

async function settled(
  context: NodeContext,
  hosts: { readonly ownUuid: string; readonly targetUuid: string },
  enabledBefore: readonly string[],
): Promise<Look<"changed">> {
  const role = await context.node.role();
  const wanted = hosts.ownUuid === hosts.targetUuid ? "master" : "supporter";
  if (!role.ok) return { kind: "not-yet", found: role.error };
  if (role.value.kind !== wanted) return { kind: "not-yet", found: `this host as ${role.value.kind}` };
  const seen = await withPool(context, async (session) => {
    const read = await readPool(context, session);
    if (!read.ok) return read;
    const target = hostByUuid(read.value.hosts, hosts.targetUuid);
    if (!target.ok) return target;
    if (read.value.pool.masterRef !== target.value.ref) return refused("another master");
    const disabled = read.value.hosts.filter((host) => enabledBefore.includes(host.uuid) && !host.enabled);
    return disabled.length === 0
      ? ok("changed" as const)
      : refused(`${disabled.map((one) => one.name).join(", ")} not enabled yet`);
  });
  return seen.ok ? { kind: "yes", value: seen.value } : { kind: "not-yet", found: describePoolFailure(seen.error) };
}
