// Takes a host out of service and back: disable, enable, evacuate. It must never shut a VM down: what cannot move is
// reported and stays.

import type { Millis } from "../../core/model/time.ts";
import type { HostRecord, XapiSession } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import {
  askOf,
  change,
  describePoolFailure,
  during,
  hasCode,
  hostByUuid,
  mayHaveHappened,
  readPool,
  until,
  withPool,
  type Done,
  type PoolContext,
} from "./procedure.ts";
import { runTask } from "./tasks.ts";

export interface MaintenanceTimes {
  readonly callMs: Millis;
  /** xapi answers HOST_STILL_BOOTING for a while after its start. */
  readonly settleMs: Millis;
  readonly evacuateMs: Millis;
  readonly everyMs: Millis;
}

export const MAINTENANCE_TIMES: MaintenanceTimes = {
  callMs: 30_000,
  settleMs: 60_000,
  evacuateMs: 3_600_000,
  everyMs: 1_000,
};

/** No VM is started on a disabled host, and tandem neither fences it nor gives it VMs. */
export function disableHost(
  context: PoolContext,
  uuid: string,
  times = MAINTENANCE_TIMES,
): Promise<Done<"changed" | "already">> {
  return withPool(context, (session) => setEnabled(context, session, uuid, false, times));
}

export function enableHost(
  context: PoolContext,
  uuid: string,
  times = MAINTENANCE_TIMES,
): Promise<Done<"changed" | "already">> {
  return withPool(context, (session) => setEnabled(context, session, uuid, true, times));
}

async function setEnabled(
  context: PoolContext,
  session: XapiSession,
  uuid: string,
  enabled: boolean,
  times: MaintenanceTimes,
): Promise<Done<"changed" | "already">> {
  const host = await readHost(context, session, uuid);
  if (!host.ok) return host;
  if (host.value.enabled === enabled) return ok("already");
  const word = enabled ? "enable" : "disable";
  const wait = {
    step: `${word} ${host.value.name}`,
    expected: `${word}d`,
    withinMs: times.settleMs,
    everyMs: times.everyMs,
  };
  return until<"changed">(context, wait, async () => {
    const last = await change(context, wait.step, session, `host.${word}`, [host.value.ref], times.callMs);
    const retryable = !last.ok && (hasCode(last.error, "HOST_STILL_BOOTING") || mayHaveHappened(last.error));
    if (!last.ok && !retryable) return { kind: "never", failure: last.error };
    const after = await readHost(context, session, uuid);
    if (after.ok && after.value.enabled === enabled) return { kind: "yes", value: "changed" };
    return { kind: "not-yet", found: last.ok ? "the other state" : describePoolFailure(last.error) };
  });
}

export interface Evacuation {
  /** VMs that stay because xapi cannot move them, with its reason. */
  readonly blocked: readonly { readonly vmRef: string; readonly because: string }[];
  readonly left: readonly { readonly uuid: string; readonly name: string }[];
}

/** Live-migrates every VM away from a host that is disabled already. VMs that cannot move are named before and after. */
export function evacuateHost(context: PoolContext, uuid: string, times = MAINTENANCE_TIMES): Promise<Done<Evacuation>> {
  return withPool(context, async (session) => {
    const host = await readHost(context, session, uuid);
    if (!host.ok) return host;
    const step = `look which VMs cannot leave ${host.value.name}`;
    const call = "host.get_vms_which_prevent_evacuation";
    const asked = during(step, await session.call(call, [host.value.ref], times.callMs, context.signal));
    if (!asked.ok) return asked;
    const blocked = Object.entries(typeof asked.value === "object" && asked.value !== null ? asked.value : {}).map(
      ([vmRef, reason]) => ({ vmRef, because: Array.isArray(reason) ? reason.join(" ") : JSON.stringify(reason) }),
    );
    const move = `move the VMs of ${host.value.name} away`;
    const timing = { withinMs: times.evacuateMs, everyMs: times.everyMs };
    const moved = await runTask(context, move, session, session, "host.evacuate", [host.value.ref], timing);
    // With blockers xapi raises the first of them; who really stayed is in the records.
    if (!moved.ok && blocked.length === 0) return moved;
    if (!moved.ok && moved.error.kind !== "xapi") return moved;
    const vms = during("read the VMs", await context.records.vms(session, askOf(context)));
    if (!vms.ok) return err(vms.error);
    const left = vms.value.filter((vm) => vm.real && vm.residentOn === host.value.ref);
    return ok({ blocked, left: left.map((vm) => ({ uuid: vm.uuid, name: vm.name })) });
  });
}

async function readHost(context: PoolContext, session: XapiSession, uuid: string): Promise<Done<HostRecord>> {
  const read = await readPool(context, session);
  return read.ok ? hostByUuid(read.value.hosts, uuid) : read;
}
