// Brings VMs back to a host that was out of service. It only moves what runs: a VM that is halted, or on the host already,
// is left as it is, and one that cannot move is named and goes on where it runs.

import type { Millis } from "../../core/model/time.ts";
import { ok } from "../../util/result.ts";
import {
  askOf,
  describePoolFailure,
  during,
  hostByUuid,
  readPool,
  withPool,
  type Done,
  type PoolContext,
} from "./procedure.ts";
import { plugSharedStorage } from "./storage-plug.ts";
import { runTask } from "./tasks.ts";

export interface ReturnTimes {
  readonly migrateMs: Millis;
  readonly plugMs: Millis;
  readonly everyMs: Millis;
}

export const RETURN_TIMES: ReturnTimes = { migrateMs: 1_800_000, plugMs: 60_000, everyMs: 1_000 };

export interface Returned {
  readonly moved: readonly string[];
  readonly stayed: readonly { readonly name: string; readonly because: string }[];
}

/** One at a time: two live migrations share one link, and the second only makes both longer. */
export function returnVms(
  context: PoolContext,
  order: { readonly vmUuids: readonly string[]; readonly toUuid: string },
  times = RETURN_TIMES,
): Promise<Done<Returned>> {
  return withPool(context, async (session) => {
    const read = await readPool(context, session);
    if (!read.ok) return read;
    const host = hostByUuid(read.value.hosts, order.toUuid);
    if (!host.ok) return host;
    const plugged = await plugSharedStorage(context, session, host.value.ref, times.plugMs);
    if (!plugged.ok) return plugged;
    const vms = during("read the VMs", await context.records.vms(session, askOf(context)));
    if (!vms.ok) return vms;
    const wanted = vms.value.filter(
      (vm) =>
        order.vmUuids.includes(vm.uuid) &&
        vm.real &&
        vm.powerState === "Running" &&
        vm.residentOn !== null &&
        vm.residentOn !== host.value.ref,
    );
    const moved: string[] = [];
    const stayed: { name: string; because: string }[] = [];
    for (const vm of wanted) {
      const step = `move ${vm.name} back to ${host.value.name}`;
      const timing = { withinMs: times.migrateMs, everyMs: times.everyMs };
      const params = [vm.ref, host.value.ref, { live: "true" }] as const;
      const done = await runTask(context, step, session, session, "VM.pool_migrate", params, timing);
      if (done.ok) moved.push(vm.name);
      else stayed.push({ name: vm.name, because: describePoolFailure(done.error) });
    }
    return ok({ moved, stayed });
  });
}
