// After a promotion from an older copy of the database (xapi.md 6.6): VMs that were shut down with their host, which announced
// that it leaves with nothing running (A13), are still called running there. They become halted, and start again with that
// host where it was the one that stopped them. It must never be called on less than that host's own word and D7's proof.

import type { Millis } from "../../core/model/time.ts";
import type { PoolVm, XapiSession } from "../../drivers/xapi/port.ts";
import { ok } from "../../util/result.ts";
import { markLeft } from "./left-mark.ts";
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
import { clearDeadLocks } from "./vdi-locks.ts";

export interface ResetOrder {
  readonly ownUuid: string;
  /** The host that left. */
  readonly leftUuid: string;
  /** Where each VM was last seen to run by heartbeats and the master's database: host UUID, null = seen stopped. */
  readonly lastSeen: ReadonlyMap<string, string | null>;
  /** VMs that the host shut down because it left, as the master's database said before it went away. */
  readonly stoppedByLeaving: ReadonlySet<string>;
  readonly localDomains: () => Promise<ReadonlySet<string> | null>;
}

export interface ResetReport {
  /** Names. */
  readonly halted: readonly string[];
  readonly left: readonly { readonly name: string; readonly because: string }[];
}

/** xapi asks the host first where its database calls it live: about 3 s (xapi.md 6.3). */
const RESET_MS: Millis = 20_000;

export function resetLeftVms(context: PoolContext, order: ResetOrder): Promise<Done<ResetReport>> {
  return withPool(context, async (session) => {
    const read = await readPool(context, session);
    if (!read.ok) return read;
    const own = hostByUuid(read.value.hosts, order.ownUuid);
    if (!own.ok) return own;
    const left = hostByUuid(read.value.hosts, order.leftUuid);
    if (!left.ok) return left;
    if (read.value.pool.masterRef !== own.value.ref)
      return refused("Cannot reset VMs: this host is not the pool's master");
    const vms = during("read the VMs", await context.records.vms(session, askOf(context)));
    if (!vms.ok) return vms;
    const residents = vms.value.filter((vm) => vm.real && vm.residentOn === left.value.ref);
    const here = await order.localDomains();
    if (here === null) return refused("Cannot reset VMs: the domains of this host are not known");
    const report = { halted: [] as string[], left: [] as { name: string; because: string }[] };
    for (const vm of residents) {
      const seen = order.lastSeen.get(vm.uuid);
      if (here.has(vm.uuid) || (typeof seen === "string" && seen !== order.leftUuid)) {
        report.left.push({ name: vm.name, because: "it was seen to run on another host" });
        continue;
      }
      const done = await reset(context, session, vm, order);
      if (done.ok) report.halted.push(vm.name);
      else if (done.error.kind === "xapi" && !hasCode(done.error, "HOST_IS_LIVE"))
        report.left.push({ name: vm.name, because: describePoolFailure(done.error) });
      else return done;
    }
    if (report.halted.length === 0) return ok(report);
    const disks = new Set(residents.filter((vm) => report.halted.includes(vm.name)).flatMap((vm) => vm.disks));
    const locks = await clearDeadLocks(context, session, left.value.ref, disks);
    return locks.ok ? ok(report) : locks;
  });
}

async function reset(
  context: PoolContext,
  session: XapiSession,
  vm: PoolVm,
  order: ResetOrder,
): Promise<Done<unknown>> {
  if (order.stoppedByLeaving.has(vm.uuid)) {
    const marked = await markLeft(context, session, vm, order.leftUuid);
    if (!marked.ok) return marked;
  }
  const step = `reset the power state of ${vm.name}: its host shut it down before it left`;
  return change(context, step, session, "VM.power_state_reset", [vm.ref], RESET_MS);
}
