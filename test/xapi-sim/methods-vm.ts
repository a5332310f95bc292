/** Calls on VMs. */
import { powerStateReset } from "./dead-host.ts";
import { action, query, type MethodTable } from "./method.ts";
import { assertCanBootHere, possibleHosts } from "./placement.ts";
import { asText, fail, XapiFailure } from "./types.ts";
import {
  cleanShutdown,
  hardShutdown,
  pauseVm,
  poolMigrate,
  reboot,
  requireState,
  resumeVm,
  startVm,
  suspendVm,
} from "./vm-power.ts";

const VM = "@VM";

export const vmMethods: MethodTable = {
  "VM.start": action([VM, "b", "b"], ({ xapi }, [vm, paused]) => startVm(xapi, asText(vm), undefined, paused === true)),
  "VM.start_on": action([VM, "@host", "b", "b"], ({ xapi }, [vm, host, paused]) =>
    startVm(xapi, asText(vm), asText(host), paused === true),
  ),
  "VM.hard_shutdown": action([VM], ({ xapi }, [vm]) => hardShutdown(xapi, asText(vm))),
  "VM.clean_shutdown": action([VM], ({ xapi }, [vm]) => cleanShutdown(xapi, asText(vm))),
  "VM.shutdown": action([VM], async ({ xapi }, [vm]) => {
    try {
      await cleanShutdown(xapi, asText(vm));
    } catch (error) {
      if (!(error instanceof XapiFailure) || error.code === "OTHER_OPERATION_IN_PROGRESS") throw error;
      await hardShutdown(xapi, asText(vm));
    }
  }),
  "VM.hard_reboot": action([VM], ({ xapi }, [vm]) => reboot(xapi, asText(vm), false)),
  "VM.clean_reboot": action([VM], ({ xapi }, [vm]) => reboot(xapi, asText(vm), true)),
  "VM.pause": action([VM], ({ xapi }, [vm]) => pauseVm(xapi, asText(vm), true)),
  "VM.unpause": action([VM], ({ xapi }, [vm]) => pauseVm(xapi, asText(vm), false)),
  "VM.suspend": action([VM], ({ xapi }, [vm]) => suspendVm(xapi, asText(vm))),
  "VM.resume": action([VM, "b", "b"], ({ xapi }, [vm, paused]) =>
    resumeVm(xapi, asText(vm), undefined, paused === true),
  ),
  "VM.resume_on": action([VM, "@host", "b", "b"], ({ xapi }, [vm, host, paused]) =>
    resumeVm(xapi, asText(vm), asText(host), paused === true),
  ),
  "VM.pool_migrate": action([VM, "@host", "{s,s}"], ({ xapi }, [vm, host]) =>
    poolMigrate(xapi, asText(vm), asText(host)),
  ),
  "VM.power_state_reset": action([VM], ({ xapi }, [vm]) => powerStateReset(xapi, asText(vm))),
  "VM.assert_can_boot_here": action([VM, "@host"], ({ xapi }, [vm, host]) => {
    xapi.db.text("VM", asText(vm), "uuid");
    assertCanBootHere(xapi, asText(vm), asText(host));
  }),
  "VM.get_possible_hosts": query([VM], ({ xapi }, [vm]) => {
    xapi.db.text("VM", asText(vm), "uuid");
    return possibleHosts(xapi, asText(vm));
  }),
  "VM.set_ha_restart_priority": action([VM, "s"], ({ xapi }, [vm, value]) => {
    if (!["restart", "best-effort", ""].includes(asText(value)))
      fail("INVALID_VALUE", "ha_restart_priority", asText(value));
    xapi.db.set("VM", asText(vm), { ha_restart_priority: asText(value), ha_always_run: value === "restart" });
  }),
  "VM.update_allowed_operations": action([VM], ({ xapi }, [vm]) => xapi.db.touch("VM", asText(vm))),
  "VM.destroy": action([VM], ({ xapi }, [given]) => {
    const vm = asText(given);
    requireState(xapi, vm, "Halted", "Suspended");
    for (const vbd of xapi.db.pointingAt("VBD", "VM", vm)) xapi.db.destroy("VBD", vbd);
    const metrics = xapi.db.text("VM", vm, "metrics");
    if (xapi.db.has("VM_metrics", metrics)) xapi.db.destroy("VM_metrics", metrics);
    xapi.db.destroy("VM", vm);
  }),
  "VM.create": query(["?"], ({ xapi }, [given]) => {
    const record = typeof given === "object" && given !== null && !Array.isArray(given) ? given : {};
    const metrics = xapi.db.create("VM_metrics", {});
    return xapi.db.create("VM", { ...record, power_state: "Halted", metrics });
  }),
};
