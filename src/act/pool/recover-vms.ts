// Starts the VMs of a host that was proven dead, on this host, the pool's master, and on others that are left (protocol.md
// D7, xapi.md 7). It must
// never start anything when xapi finds that host alive, and never a VM that the decision did not name.
//
//   read pool, VMs ─► decide ─► declare_dead ─► disk locks ─► memory ─► start group by group ─► later attempts ─► sync

import { decideHostLoss, type VmDecision } from "../../core/decide/vms/host-loss.ts";
import { place } from "../../core/decide/vms/placement.ts";
import { startGroups } from "../../core/decide/vms/order.ts";
import type { VmPolicy } from "../../core/decide/vms/protection.ts";
import type { Millis } from "../../core/model/time.ts";
import type { HostRecord, XapiSession } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import { DECLARE_TIMES, declareDead, type DeclareTimes } from "./declare-dead.ts";
import { markLeft } from "./left-mark.ts";
import {
  askOf,
  describePoolFailure,
  during,
  hostByUuid,
  readingCaller,
  readPool,
  refused,
  withPool,
  type Done,
  type PoolContext,
} from "./procedure.ts";
import {
  startVms,
  START_TIMES,
  type StartHost,
  type StartOrder,
  type StartReport,
  type StartTimes,
  type VmStart,
} from "./start-vms.ts";
import { vmFacts, type FactsOf } from "./vm-facts.ts";

export interface RecoveryOrder {
  readonly deadUuid: string;
  readonly ownUuid: string;
  readonly policy: VmPolicy;
  /** Where each VM was last seen to run by heartbeats: host UUID, null = seen stopped, absent = no knowledge. */
  readonly lastSeen: ReadonlyMap<string, string | null>;
  readonly localDomains: () => Promise<ReadonlySet<string> | null>;
  /** VMs that the lost host shut down because it left: they start again with it. */
  readonly stoppedByLeaving?: ReadonlySet<string>;
  /** Hosts that may be given its VMs, with their domains as they last told; left out: this host alone. */
  readonly survivors?: readonly Survivor[];
  /**
   * Told the VMs to start before declare_dead makes xapi forget where they ran. A later run, after this one was cut
   * short, finds them in no record: the caller has to hand them in again as `lastSeen`.
   */
  readonly remember: (vmUuids: readonly string[]) => Promise<void>;
}

export interface Survivor {
  readonly uuid: string;
  readonly domains: () => ReadonlySet<string> | null;
}

export interface RecoveryTimes {
  readonly declare: DeclareTimes;
  readonly start: StartTimes;
  readonly syncMs: Millis;
}

export const RECOVERY_TIMES: RecoveryTimes = { declare: DECLARE_TIMES, start: START_TIMES, syncMs: 10_000 };

export interface RecoveryReport {
  /** Every VM that was to be started, with what became of it. */
  readonly starts: readonly VmStart[];
  /** VMs that need a person, and those left alone with the reason. */
  readonly alarms: readonly VmDecision[];
  readonly left: readonly VmDecision[];
  readonly clearedLocks: readonly string[];
  /** Null: the other hosts have today's database. */
  readonly syncProblem: string | null;
}

export async function recoverPeerVms(
  context: PoolContext,
  order: RecoveryOrder,
  times: RecoveryTimes = RECOVERY_TIMES,
): Promise<Done<RecoveryReport>> {
  const reader = readingCaller(context);
  const result = await withPool(context, (session) => recover(context, order, times, session, reader));
  reader.end();
  return result;
}

async function recover(
  context: PoolContext,
  order: RecoveryOrder,
  times: RecoveryTimes,
  session: XapiSession,
  reader: ReturnType<typeof readingCaller>,
): Promise<Done<RecoveryReport>> {
  const hosts = await readHosts(context, session, order);
  if (!hosts.ok) return hosts;
  const { own, dead, all } = hosts.value;
  const vms = during("read the VMs", await context.records.vms(session, askOf(context)));
  if (!vms.ok) return vms;
  const appliances = during("read the appliances", await context.records.appliances(session, askOf(context)));
  if (!appliances.ok) return appliances;
  const factsOf = vmFacts(all, appliances.value);
  // Decided on what the database says before declare_dead wipes it: afterwards every VM of the dead host is just Halted.
  const real = vms.value.filter((vm) => vm.real);
  const decisions = decideHostLoss({
    vms: real.map(factsOf),
    policy: order.policy,
    lostHost: order.deadUuid,
    ownHost: order.ownUuid,
    lastSeen: order.lastSeen,
    localDomains: await order.localDomains(),
  });
  const wanted = real.filter((vm) => decisions.some((one) => one.uuid === vm.uuid && one.verdict.kind === "start"));
  await order.remember(wanted.map((vm) => vm.uuid));

  // Its database may be older than the marks.
  for (const vm of real.filter(
    (one) => order.stoppedByLeaving?.has(one.uuid) === true && one.residentOn === dead.ref,
  )) {
    const marked = await markLeft(context, session, vm, dead.uuid);
    if (!marked.ok) context.progress(describePoolFailure(marked.error));
  }
  const declared = await declareDead(context, session, dead, times.declare);
  if (!declared.ok) return declared;
  const started = await startVms(
    context,
    {
      vms: wanted,
      hosts: hostsFor(order, own, all),
      deadHostRef: dead.ref,
      plan: planOf(factsOf),
    },
    { session, reader },
    times.start,
  );
  if (!started.ok) return started;
  context.progress("copy the pool database to the other hosts");
  const synced = await reader.call("pool.sync_database", [], times.syncMs, context.signal);
  return ok({
    starts: started.value.starts,
    alarms: decisions.filter((one) => one.verdict.kind === "alarm"),
    left: decisions.filter((one) => one.verdict.kind === "leave"),
    clearedLocks: started.value.clearedLocks,
    syncProblem: synced.ok
      ? null
      : describePoolFailure({ kind: "xapi", during: "copy the database", error: synced.error }),
  });
}

async function readHosts(
  context: PoolContext,
  session: XapiSession,
  order: RecoveryOrder,
): Promise<Done<{ own: HostRecord; dead: HostRecord; all: readonly HostRecord[] }>> {
  if (order.ownUuid === order.deadUuid) return refused("Cannot recover VMs: the dead host is this host");
  const read = await readPool(context, session);
  if (!read.ok) return read;
  const own = hostByUuid(read.value.hosts, order.ownUuid);
  if (!own.ok) return own;
  const dead = hostByUuid(read.value.hosts, order.deadUuid);
  if (!dead.ok) return err(dead.error);
  if (read.value.pool.masterRef !== own.value.ref)
    return refused("Cannot recover VMs: this host is not the pool's master");
  if (!own.value.enabled)
    return refused(`Cannot recover VMs: ${own.value.name} is disabled (maintenance, or xapi still starting)`);
  return ok({ own: own.value, dead: dead.value, all: read.value.hosts });
}

/** Disabled hosts and those that XAPI does not know are given nothing. */
function hostsFor(order: RecoveryOrder, own: HostRecord, all: readonly HostRecord[]): readonly StartHost[] {
  const mine: StartHost = { ref: own.ref, uuid: own.uuid, localDomains: order.localDomains };
  if (order.survivors === undefined) return [mine];
  return order.survivors.flatMap(({ uuid, domains }): readonly StartHost[] => {
    if (uuid === own.uuid) return [mine];
    const host = all.find((one) => one.uuid === uuid);
    if (host?.enabled !== true || uuid === order.deadUuid) return [];
    return [{ ref: host.ref, uuid, localDomains: () => Promise.resolve(domains()) }];
  });
}

/** The core's order and placement, in the terms of startVms. */
function planOf(factsOf: FactsOf): StartOrder["plan"] {
  return (vms, rooms) => {
    const plan = place(startGroups(vms.map(factsOf)), rooms);
    return {
      groups: plan.groups.map((group) => group.map(({ vm, hostId }) => ({ uuid: vm.uuid, hostId }))),
      refused: plan.refused.map((one) => ({
        uuid: one.vm.uuid,
        neededBytes: one.vm.memoryBytes,
        freeBytes: one.freeBytes,
      })),
    };
  };
}

/**
 * Starts these VMs here while the other host lives (A22): the caller has its confirmation that their domains are gone
 * there. Nothing is declared dead and no lock is cleared; until the peer's xapi has noticed, attempts are repeated.
 */
export async function startConfirmedVms(
  context: PoolContext,
  order: Pick<RecoveryOrder, "ownUuid" | "localDomains"> & { readonly vmUuids: readonly string[] },
  times: StartTimes = START_TIMES,
): Promise<Done<StartReport>> {
  const reader = readingCaller(context);
  const result = await withPool(context, async (session) => {
    const read = await readPool(context, session);
    if (!read.ok) return read;
    const own = hostByUuid(read.value.hosts, order.ownUuid);
    if (!own.ok) return own;
    if (!own.value.enabled) return refused(`Cannot start VMs: ${own.value.name} is disabled (maintenance)`);
    const vms = during("read the VMs", await context.records.vms(session, askOf(context)));
    if (!vms.ok) return vms;
    const wanted = vms.value.filter((vm) => vm.real && order.vmUuids.includes(vm.uuid));
    const { localDomains } = order;
    const start = {
      vms: wanted,
      hosts: [{ ref: own.value.ref, uuid: own.value.uuid, localDomains }],
      deadHostRef: null,
      plan: planOf(vmFacts(read.value.hosts)),
    };
    return startVms(context, start, { session, reader }, times);
  });
  reader.end();
  return result;
}
