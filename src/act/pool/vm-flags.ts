// The custom field of a VM that asks for HA (GLOBAL_VM_HA=0): XenCenter and Xen Orchestra show it, `set-vm-ha` writes it.

import { err, ok } from "../../util/result.ts";
import { change, during, withPool, type Done, type PoolContext } from "./procedure.ts";

/** Writes the field of one VM and reads it back. */
export function setVmFlag(
  context: PoolContext,
  vm: { readonly ref: string; readonly name: string },
  key: string,
  on: boolean,
): Promise<Done<"written">> {
  return withPool(context, async (session) => {
    // add_to refuses an existing key, and removing an absent one succeeds.
    const clear = `clear ${key} of ${vm.name}`;
    const removed = await change(context, clear, session, "VM.remove_from_other_config", [vm.ref, key], context.readMs);
    if (!removed.ok) return removed;
    const step = `set ${key} of ${vm.name}`;
    const add = session.call("VM.add_to_other_config", [vm.ref, key, String(on)], context.readMs, context.signal);
    const added = during(step, await add);
    if (!added.ok) return added;
    const get = session.call("VM.get_other_config", [vm.ref], context.readMs, context.signal);
    const after = during(step, await get);
    if (!after.ok) return after;
    const found = typeof after.value === "object" && after.value !== null ? Object.entries(after.value) : [];
    const value = found.find(([name]) => name === key)?.[1];
    return value === String(on)
      ? ok("written")
      : err({ kind: "unverified", during: step, found: JSON.stringify(value ?? null), expected: `"${on}"` });
  });
}
