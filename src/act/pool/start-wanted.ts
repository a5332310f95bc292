// One attempt each for VMs that ought to run and were found stopped, group after group. It must never start one whose
// domain anybody still sees; later attempts are for the caller, who looks at everything again first.

import type { Millis } from "../../core/model/time.ts";
import type { VmRecord, XapiSession } from "../../drivers/xapi/port.ts";
import { ok } from "../../util/result.ts";
import {
  askOf,
  describePoolFailure,
  during,
  readingCaller,
  readPool,
  withPool,
  type Done,
  type PoolContext,
  type PoolFailure,
} from "./procedure.ts";
import { startOnce, type StartTools } from "./start-vm.ts";
import { plugSharedStorage } from "./storage-plug.ts";

export interface WantedStart {
  readonly vmUuid: string;
  /** Null: xapi chooses. */
  readonly hostUuid: string | null;
}

export interface WantedStarts {
  readonly groups: readonly (readonly WantedStart[])[];
  readonly ownUuid: string;
  /** The domains of all hosts that may run one of these VMs, asked right before each start; null: not known. */
  readonly domains: () => Promise<ReadonlySet<string> | null>;
  /** Told at each end; `failure` null = it runs. */
  readonly onEnd: (vmUuid: string, failure: string | null) => void;
}

export interface WantedTimes {
  readonly startMs: Millis;
  readonly taskEveryMs: Millis;
  readonly plugMs: Millis;
  /** Starts at the same moment inside one group. */
  readonly parallel: number;
}

export const WANTED_TIMES: WantedTimes = { startMs: 180_000, taskEveryMs: 500, plugMs: 60_000, parallel: 4 };

export async function startWanted(
  context: PoolContext,
  order: WantedStarts,
  times: WantedTimes = WANTED_TIMES,
): Promise<Done<"ended">> {
  const reader = readingCaller(context);
  const done = await withPool(context, (session) => inOrder(context, order, times, session, reader));
  reader.end();
  return done;
}

async function inOrder(
  context: PoolContext,
  order: WantedStarts,
  times: WantedTimes,
  session: XapiSession,
  reader: ReturnType<typeof readingCaller>,
): Promise<Done<"ended">> {
  const read = await readPool(context, session);
  if (!read.ok) return read;
  const vms = during("read the VMs", await context.records.vms(session, askOf(context)));
  if (!vms.ok) return vms;
  const hosts = new Map(read.value.hosts.map((host) => [host.uuid, host.ref]));
  const records = new Map(vms.value.map((vm) => [vm.uuid, vm]));
  const own = hosts.get(order.ownUuid);
  if (own !== undefined && order.groups.some((group) => group.some((one) => one.hostUuid === order.ownUuid))) {
    // xapi plugs it once at its start, which may have been before the storage served.
    const plugged = await plugSharedStorage(context, session, own, times.plugMs);
    if (!plugged.ok) context.progress(describePoolFailure(plugged.error));
  }
  for (const group of order.groups) {
    const stopped = await startGroup(context, group, order, times, { session, reader, hosts, records });
    if (stopped !== null) return { ok: false, error: stopped };
  }
  return ok("ended");
}

interface Tools {
  readonly session: XapiSession;
  readonly reader: ReturnType<typeof readingCaller>;
  readonly hosts: ReadonlyMap<string, string>;
  readonly records: ReadonlyMap<string, VmRecord>;
}

async function startGroup(
  context: PoolContext,
  group: readonly WantedStart[],
  order: WantedStarts,
  times: WantedTimes,
  tools: Tools,
): Promise<PoolFailure | null> {
  const queue = [...group];
  let stopped: PoolFailure | null = null;
  async function work(): Promise<void> {
    for (let one = queue.shift(); one !== undefined && stopped === null; one = queue.shift()) {
      const vm = tools.records.get(one.vmUuid);
      const hostRef = one.hostUuid === null ? null : tools.hosts.get(one.hostUuid);
      if (vm === undefined || hostRef === undefined) {
        order.onEnd(one.vmUuid, "it or its host is not in the pool database any more");
        continue;
      }
      const start: StartTools = {
        caller: tools.session,
        reader: tools.reader,
        hostRef,
        localDomains: order.domains,
        ...times,
      };
      const outcome = await startOnce(context, vm.ref, start);
      if (outcome.kind === "stop") stopped = outcome.failure;
      else order.onEnd(one.vmUuid, "because" in outcome ? outcome.because : null);
    }
  }
  await Promise.all(Array.from({ length: Math.min(times.parallel, group.length) }, work));
  return stopped;
}
