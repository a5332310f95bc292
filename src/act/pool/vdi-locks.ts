// Locks that a dead host left on virtual disks (xapi.md 2.6): the hook of declare_dead clears them; this verifies, and
// clears what it missed. It must never remove the key of any host but the one proven dead.

import type { XapiCaller } from "../../drivers/xapi/port.ts";
import { err, ok } from "../../util/result.ts";
import { askOf, change, during, type Done, type PoolContext } from "./procedure.ts";

export interface LockReport {
  /** VDIs whose key of the dead host was removed by us. */
  readonly cleared: readonly string[];
  /** VDIs of these VMs that another host holds, or that are marked paused: for the log. */
  readonly held: readonly { readonly vdi: string; readonly key: string }[];
}

/** SM's key for an attachment by this host. */
export const lockKey = (hostRef: string): string => `host_${hostRef}`;

/** `vbdRefs` are those of the VMs about to be started: other VMs' disks are none of our business. */
export async function clearDeadLocks(
  context: PoolContext,
  caller: XapiCaller,
  deadHostRef: string,
  vbdRefs: ReadonlySet<string>,
): Promise<Done<LockReport>> {
  const disks = during("read the VBDs", await context.records.vbdDisks(caller, askOf(context)));
  if (!disks.ok) return disks;
  const wanted = new Set([...disks.value].filter(([vbd]) => vbdRefs.has(vbd)).map(([, vdi]) => vdi));
  const vdis = during("read the virtual disks", await context.records.vdis(caller, askOf(context)));
  if (!vdis.ok) return vdis;
  const cleared: string[] = [];
  const held: { vdi: string; key: string }[] = [];
  for (const vdi of vdis.value.filter((one) => wanted.has(one.ref))) {
    for (const key of Object.keys(vdi.smConfig)) {
      if (key !== lockKey(deadHostRef)) {
        if (key.startsWith("host_") || key === "paused") held.push({ vdi: vdi.uuid, key });
        continue;
      }
      const step = `clear the dead host's lock on disk ${vdi.uuid}`;
      const removed = await change(context, step, caller, "VDI.remove_from_sm_config", [vdi.ref, key], context.readMs);
      if (!removed.ok) return err(removed.error);
      cleared.push(vdi.uuid);
    }
  }
  return ok({ cleared, held });
}
