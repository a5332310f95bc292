// Starts a set of VMs on one host or several in the planned order, with later attempts for what failed. It must end: attempts and
// time are limited, and what did not start is in the report.

import type { Room } from "../../core/decide/vms/placement.ts";
import type { Millis } from "../../core/model/time.ts";
import type { VmRecord, XapiCaller, XapiSession } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import { describePoolFailure, type Done, type PoolContext, type PoolFailure } from "./procedure.ts";
import { startOnce, type StartOutcome, type StartTools } from "./start-vm.ts";
import { plugSharedStorage } from "./storage-plug.ts";
import { clearDeadLocks } from "./vdi-locks.ts";

/** A host that may be given VMs. */
export interface StartHost {
  readonly ref: string;
  readonly uuid: string;
  /** UUIDs of its domains, as its hypervisor or its newest beat lists them; null: could not be told. */
  readonly localDomains: StartTools["localDomains"];
}

export interface StartOrder {
  readonly vms: readonly VmRecord[];
  readonly hosts: readonly StartHost[];
  /** Whose disk locks may be cleared; null with a living peer (A22), where none may. */
  readonly deadHostRef: string | null;
  /** Groups of VMs in the order of their start, each with its host, and what fits nowhere. */
  readonly plan: (vms: readonly VmRecord[], rooms: readonly Room[]) => StartPlan;
}

export interface StartPlan {
  readonly groups: readonly (readonly { readonly uuid: string; readonly hostId: string }[])[];
  readonly refused: readonly { readonly uuid: string; readonly neededBytes: number; readonly freeBytes: number }[];
}

export interface StartTimes {
  readonly startMs: Millis;
  readonly taskEveryMs: Millis;
  readonly plugMs: Millis;
  /** Starts at the same moment inside one group. */
  readonly parallel: number;
  /** Waits before the later attempts; their number is the number of these. */
  readonly backOffMs: readonly Millis[];
  /** No attempt begins after this. */
  readonly totalMs: Millis;
}

export const START_TIMES: StartTimes = {
  startMs: 180_000,
  taskEveryMs: 500,
  plugMs: 60_000,
  parallel: 4,
  backOffMs: [5_000, 10_000, 20_000, 40_000, 60_000],
  totalMs: 900_000,
};

export interface VmStart {
  readonly uuid: string;
  readonly name: string;
  readonly attempts: number;
  readonly outcome: Exclude<StartOutcome, { kind: "stop" }>;
}

export interface StartReport {
  readonly starts: readonly VmStart[];
  readonly clearedLocks: readonly string[];
}

export async function startVms(
  context: PoolContext,
  order: StartOrder,
  callers: { readonly session: XapiSession; readonly reader: XapiCaller },
  times: StartTimes = START_TIMES,
): Promise<Done<StartReport>> {
  const endAt = context.clock.now() + times.totalMs;
  const results = new Map<string, VmStart>();
  const clearedLocks: string[] = [];
  let pending = order.vms;
  let session = callers.session;
  for (let attempt = 0; pending.length > 0; attempt += 1) {
    const ready = await prepare(context, order, pending, session, callers.reader, times);
    if (!ready.ok) return ready;
    clearedLocks.push(...ready.value.clearedLocks);
    for (const [uuid, outcome] of ready.value.refused) {
      const vm = pending.find((one) => one.uuid === uuid);
      if (vm !== undefined) results.set(uuid, { uuid, name: vm.name, attempts: attempt, outcome });
    }
    const tools = { ...times, caller: session, reader: callers.reader };
    for (const group of ready.value.groups) {
      const members = group.flatMap(({ uuid, hostId }): readonly Start[] => {
        const vm = pending.find((one) => one.uuid === uuid);
        const host = order.hosts.find((one) => one.uuid === hostId);
        if (vm === undefined || host === undefined) return [];
        return [{ vm, tools: { ...tools, hostRef: host.ref, localDomains: host.localDomains } }];
      });
      const stopped = await startGroup(context, members, times.parallel, (vm, outcome) => {
        results.set(vm.uuid, { uuid: vm.uuid, name: vm.name, attempts: attempt + 1, outcome });
      });
      if (stopped !== null) return err(stopped);
    }
    pending = order.vms.filter((vm) => results.get(vm.uuid)?.outcome.kind === "retry");
    const waitMs = times.backOffMs[attempt];
    if (pending.length === 0 || waitMs === undefined || context.clock.now() + waitMs >= endAt) break;
    context.progress(`${pending.length} VMs did not start yet: next attempt in ${Math.round(waitMs / 1000)} s`);
    await context.clock.sleep(waitMs, context.signal);
    if (context.signal.aborted) return err({ kind: "aborted", during: "wait for the next attempt" });
    // Between attempts nothing is under way: the safe point to log in again, xapi may have restarted.
    const again = await context.gate.openPool(context.readMs, context.signal);
    if (again.ok) {
      if (session !== callers.session) void session.logout(1_000);
      session = again.value;
    }
  }
  if (session !== callers.session) void session.logout(1_000);
  return ok({ starts: order.vms.flatMap((vm) => results.get(vm.uuid) ?? []), clearedLocks });
}

interface Prepared extends Pick<StartPlan, "groups"> {
  readonly clearedLocks: readonly string[];
  readonly refused: ReadonlyMap<string, VmStart["outcome"]>;
}

/** Storage plugged, locks of the dead host gone, memory counted: before every attempt, since each may be why one failed. */
async function prepare(
  context: PoolContext,
  order: StartOrder,
  pending: readonly VmRecord[],
  session: XapiSession,
  reader: XapiCaller,
  times: StartTimes,
): Promise<Done<Prepared>> {
  const ends = (failure: PoolFailure): boolean => failure.kind === "not-permitted" || failure.kind === "aborted";
  for (const host of order.hosts) {
    const plugged = await plugSharedStorage(context, session, host.ref, times.plugMs);
    if (!plugged.ok && ends(plugged.error)) return plugged;
    if (!plugged.ok) context.progress(describePoolFailure(plugged.error));
    for (const one of plugged.ok ? plugged.value.failed : []) context.progress(`storage ${one.sr}: ${one.because}`);
  }
  let clearedLocks: readonly string[] = [];
  if (order.deadHostRef !== null) {
    const vbds = new Set(pending.flatMap((vm) => vm.disks));
    const locks = await clearDeadLocks(context, session, order.deadHostRef, vbds);
    if (!locks.ok && ends(locks.error)) return locks;
    if (locks.ok) clearedLocks = locks.value.cleared;
    else context.progress(describePoolFailure(locks.error));
  }
  const rooms = await Promise.all(order.hosts.map((host) => roomOn(context, host, reader)));
  const plan = order.plan(pending, rooms);
  const refused = new Map(
    plan.refused.map((one): [string, VmStart["outcome"]] => {
      const because = `it needs ${mib(one.neededBytes)}, free are ${mib(one.freeBytes)}`;
      return [one.uuid, { kind: "does-not-fit", because }];
    }),
  );
  return ok({ groups: plan.groups, clearedLocks, refused });
}

/** Without an answer nothing is refused here: VM.start_on itself refuses what does not fit. */
async function roomOn(context: PoolContext, host: StartHost, reader: XapiCaller): Promise<Room> {
  const free = await reader.call("host.compute_free_memory", [host.ref], context.readMs, context.signal);
  const freeBytes = free.ok && typeof free.value === "number" ? free.value : Number.POSITIVE_INFINITY;
  return { hostId: host.uuid, freeBytes };
}

const mib = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;

interface Start {
  readonly vm: VmRecord;
  readonly tools: StartTools;
}

/** All VMs of one group, a few at a time; the next group begins when the last of them has ended. */
async function startGroup(
  context: PoolContext,
  members: readonly Start[],
  parallel: number,
  report: (vm: VmRecord, outcome: VmStart["outcome"]) => void,
): Promise<PoolFailure | null> {
  const queue = [...members];
  let stopped: PoolFailure | null = null;
  async function work(): Promise<void> {
    for (let one = queue.shift(); one !== undefined && stopped === null; one = queue.shift()) {
      const outcome = await startOnce(context, one.vm.ref, one.tools);
      if (outcome.kind === "stop") stopped = outcome.failure;
      else report(one.vm, outcome);
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, members.length) }, work));
  return stopped;
}
