// The mark of a VM that its host shut down because it left: it starts again with that host, not elsewhere.

import { LEFT_KEY } from "../../core/decide/vms/guard.ts";
import type { PoolVm, XapiSession } from "../../drivers/xapi/port.ts";
import { ok } from "../../util/result.ts";
import { change, type Done, type PoolContext } from "./procedure.ts";

/** To be written before the VM is halted: without the mark it would be one that stopped by itself. */
export async function markLeft(
  context: PoolContext,
  session: XapiSession,
  vm: Pick<PoolVm, "ref" | "name" | "otherConfig">,
  hostUuid: string,
): Promise<Done<"marked">> {
  const before = vm.otherConfig[LEFT_KEY];
  if (before === hostUuid) return ok("marked");
  if (before !== undefined)
    await session.call("VM.remove_from_other_config", [vm.ref, LEFT_KEY], context.readMs, context.signal);
  const step = `mark ${vm.name} to start again with its host`;
  const params = [vm.ref, LEFT_KEY, hostUuid];
  const marked = await change(context, step, session, "VM.add_to_other_config", params, context.readMs);
  return marked.ok ? ok("marked") : marked;
}
