// Empties this host before it goes down: its protected VMs move to other hosts or are shut down, as LEAVE_POLICY says (A26).
// A VM that is shut down is marked first, so that it starts again with this host. It ends within its time, whatever a guest
// or a migration does; VMs that are not protected are not touched.

import { startGroups } from "../../core/decide/vms/order.ts";
import { isProtected, type VmPolicy } from "../../core/decide/vms/protection.ts";
import type { Instant, Millis } from "../../core/model/time.ts";
import type { VmRecord, XapiSession } from "../../drivers/xapi/port.ts";
import { ok } from "../../util/result.ts";
import { markLeft } from "./left-mark.ts";
import {
  askOf,
  change,
  describePoolFailure,
  during,
  hostByUuid,
  readPool,
  withPool,
  type Done,
  type PoolContext,
  type PoolFailure,
} from "./procedure.ts";
import { runTask } from "./tasks.ts";
import { vmFacts } from "./vm-facts.ts";

export interface EmptyOrder {
  readonly ownUuid: string;
  readonly policy: "migrate" | "shutdown";
  readonly vmPolicy: VmPolicy;
  /** Hosts known to be well, which VMs may move to. */
  readonly targets: readonly string[];
}

export interface EmptyTimes {
  /** After this no VM is moved any more; those left are shut down. */
  readonly movesMs: Millis;
  readonly moveMs: Millis;
  /** What a guest gets to shut down by itself. */
  readonly cleanMs: Millis;
  readonly hardMs: Millis;
  readonly copyMs: Millis;
  readonly everyMs: Millis;
  readonly parallel: number;
}

/** In all at most movesMs + moveMs, cleanMs + hardMs per group of VMs, and copyMs; the unit's TimeoutStopSec is 600 s. */
export const EMPTY_TIMES: EmptyTimes = {
  movesMs: 180_000,
  moveMs: 120_000,
  cleanMs: 60_000,
  hardMs: 20_000,
  copyMs: 10_000,
  everyMs: 500,
  parallel: 4,
};

export interface EmptyReport {
  readonly moved: readonly string[];
  readonly stopped: readonly string[];
  /** Still running here, with the reason. */
  readonly left: readonly { readonly name: string; readonly because: string }[];
}

export function emptyHost(
  context: PoolContext,
  order: EmptyOrder,
  times: EmptyTimes = EMPTY_TIMES,
): Promise<Done<EmptyReport>> {
  return withPool(context, async (session) => {
    const read = await readPool(context, session);
    if (!read.ok) return read;
    const own = hostByUuid(read.value.hosts, order.ownUuid);
    if (!own.ok) return own;
    if (own.value.enabled) {
      // Nothing new starts here meanwhile; xapi enables the host again after the boot.
      const step = `disable ${own.value.name}`;
      const disabled = await change(context, step, session, "host.disable", [own.value.ref], context.readMs);
      if (!disabled.ok) return disabled;
    }
    const appliances = during("read the appliances", await context.records.appliances(session, askOf(context)));
    if (!appliances.ok) return appliances;
    const vms = during("read the VMs", await context.records.vms(session, askOf(context)));
    if (!vms.ok) return vms;
    const factsOf = vmFacts(read.value.hosts, appliances.value);
    const mine = vms.value.filter(
      (vm) => vm.real && vm.residentOn === own.value.ref && isProtected(factsOf(vm), order.vmPolicy),
    );
    const byUuid = new Map(mine.map((vm) => [vm.uuid, vm]));
    const groups = startGroups(mine.map(factsOf)).map((group) =>
      group.vms.flatMap(({ uuid }) => byUuid.get(uuid) ?? []),
    );
    const targets = read.value.hosts.filter((host) => host.enabled && order.targets.includes(host.uuid));
    const moved =
      order.policy === "migrate"
        ? await moveAll(
            context,
            session,
            groups.flat(),
            targets.map((host) => host.ref),
            times,
          )
        : [];
    const stay = groups.map((group) => group.filter((vm) => !moved.includes(vm.name)));
    const report = { moved, stopped: [] as string[], left: [] as { name: string; because: string }[] };
    for (const group of stay.toReversed()) {
      await eachOf(group, times.parallel, async (vm) => {
        const failure = await shutDown(context, session, vm, order.ownUuid, times);
        if (failure === null) report.stopped.push(vm.name);
        else report.left.push({ name: vm.name, because: failure });
      });
    }
    const changed = moved.length + report.stopped.length > 0;
    if (changed && read.value.pool.masterRef === own.value.ref) await copyDatabase(context, session, times);
    return ok(report);
  });
}

/**
 * A toolstack that is promoted without this one starts from its copy, which is up to five minutes old (xapi.md 6.6): it would
 * call running what was shut down here, and know nothing of the marks. Best effort: the host goes down in any case.
 */
async function copyDatabase(context: PoolContext, session: XapiSession, times: EmptyTimes): Promise<void> {
  const step = "copy the pool database to the other hosts";
  const copied = await change(context, step, session, "pool.sync_database", [], times.copyMs);
  if (!copied.ok) context.progress(describePoolFailure(copied.error));
}

async function eachOf<T>(items: readonly T[], parallel: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
}

/** One after the other, the most important first: migrations share one network. Names of those that moved. */
async function moveAll(
  context: PoolContext,
  session: XapiSession,
  vms: readonly VmRecord[],
  targets: readonly string[],
  times: EmptyTimes,
): Promise<readonly string[]> {
  const moved: string[] = [];
  const endAt = context.clock.now() + times.movesMs;
  for (const vm of vms) {
    if (context.clock.now() >= endAt || context.signal.aborted) break;
    const target = await roomiest(context, session, vm, targets);
    if (target === undefined) {
      context.progress(`${vm.name} cannot move: no other host has room for it`);
      continue;
    }
    const done = await move(context, session, vm, target, times, endAt);
    if (done === null) moved.push(vm.name);
    else context.progress(describePoolFailure(done));
  }
  return moved;
}

async function roomiest(
  context: PoolContext,
  session: XapiSession,
  vm: VmRecord,
  targets: readonly string[],
): Promise<string | undefined> {
  let best: string | undefined;
  let bestFree = vm.memoryDynamicMin + vm.memoryOverhead - 1;
  for (const host of targets) {
    const free = await session.call("host.compute_free_memory", [host], context.readMs, context.signal);
    if (!free.ok || typeof free.value !== "number" || free.value <= bestFree) continue;
    best = host;
    bestFree = free.value;
  }
  return best;
}

async function move(
  context: PoolContext,
  session: XapiSession,
  vm: VmRecord,
  target: string,
  times: EmptyTimes,
  endAt: Instant,
): Promise<PoolFailure | null> {
  const withinMs = Math.max(times.everyMs, Math.min(times.moveMs, endAt - context.clock.now()));
  const params = [vm.ref, target, { live: "true" }];
  const step = `move ${vm.name} to another host`;
  const timing = { withinMs, everyMs: times.everyMs };
  const moved = await runTask(context, step, session, session, "VM.pool_migrate", params, timing);
  // Whatever the task said, the record decides.
  const after = during("read the VM", await context.records.vm(session, vm.ref, askOf(context)));
  if (after.ok && after.value.powerState !== "Halted" && after.value.residentOn === target) return null;
  if (!moved.ok) return moved.error;
  return { kind: "unverified", during: step, found: "it is still here", expected: "it runs on the other host" };
}

/** Null: it is stopped. A guest that does not end in its time is ended hard. */
async function shutDown(
  context: PoolContext,
  session: XapiSession,
  vm: VmRecord,
  ownUuid: string,
  times: EmptyTimes,
): Promise<string | null> {
  const marked = await markLeft(context, session, vm, ownUuid);
  // Without the mark it would stay down after the boot.
  if (!marked.ok) return describePoolFailure(marked.error);
  let said = "";
  for (const [method, withinMs] of [
    ["VM.clean_shutdown", times.cleanMs],
    ["VM.hard_shutdown", times.hardMs],
  ] as const) {
    const step = `shut ${vm.name} down${method === "VM.hard_shutdown" ? " hard" : ""}`;
    const timing = { withinMs, everyMs: times.everyMs };
    const done = await runTask(context, step, session, session, method, [vm.ref], timing);
    const after = during("read the VM", await context.records.vm(session, vm.ref, askOf(context)));
    if (after.ok && after.value.powerState === "Halted") return null;
    said = done.ok ? "xapi reported success, but it runs" : describePoolFailure(done.error);
    if (!done.ok && (done.error.kind === "not-permitted" || done.error.kind === "aborted")) break;
  }
  return said;
}
