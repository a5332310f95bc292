// Tells xapi that a host is dead: its VMs become Halted in the database and its disk locks are cleared. It must never
// be called for a host that was not proven dead outside XAPI: xapi itself asks nobody when it thinks so (xapi.md 0.7).

import type { Millis } from "../../core/model/time.ts";
import type { HostRecord, XapiCaller } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import {
  askOf,
  change,
  describePoolFailure,
  during,
  hasCode,
  refused,
  type Done,
  type PoolContext,
} from "./procedure.ts";

export interface DeclareTimes {
  /** At least this long. */
  readonly callMs: Millis;
  /** And this for the host and for each VM on it: xapi probes the dead host once for each, about 3 s a time. */
  readonly perProbeMs: Millis;
  readonly attempts: number;
  readonly backOffMs: Millis;
}

export const DECLARE_TIMES: DeclareTimes = { callMs: 60_000, perProbeMs: 5_000, attempts: 3, backOffMs: 2_000 };

/**
 * Repeatable. HOST_IS_LIVE is final: the host answers, so it was not fenced, and nothing of it may be started.
 * `caller` must not repeat calls by itself.
 */
export async function declareDead(
  context: PoolContext,
  caller: XapiCaller,
  host: HostRecord,
  times: DeclareTimes = DECLARE_TIMES,
): Promise<Done<"declared">> {
  for (let attempt = 1; ; attempt += 1) {
    const residents = await residentCount(context, caller, host);
    if (!residents.ok) return residents;
    const deadlineMs = Math.max(times.callMs, times.perProbeMs * (1 + residents.value));
    const step = `declare ${host.name} dead`;
    const declared = await change(context, step, caller, "host.declare_dead", [host.ref], deadlineMs);
    if (!declared.ok && hasCode(declared.error, "HOST_IS_LIVE")) {
      return refused(
        `Cannot declare ${host.name} dead: its xapi answers. It was not fenced: none of its VMs is started`,
      );
    }
    if (!declared.ok && declared.error.kind !== "xapi") return declared;
    const left = await residentCount(context, caller, host);
    if (declared.ok && left.ok && left.value === 0) return ok("declared");
    if (attempt >= times.attempts) {
      if (!declared.ok) return declared;
      const found = left.ok ? `${left.value} VMs still resident there` : describePoolFailure(left.error);
      return err({ kind: "unverified", during: step, found, expected: "no VM resident there" });
    }
    await context.clock.sleep(times.backOffMs * 2 ** (attempt - 1), context.signal);
  }
}

async function residentCount(context: PoolContext, caller: XapiCaller, host: HostRecord): Promise<Done<number>> {
  const vms = during("read the VMs", await context.records.vms(caller, askOf(context)));
  return vms.ok ? ok(vms.value.filter((vm) => vm.real && vm.residentOn === host.ref).length) : vms;
}
