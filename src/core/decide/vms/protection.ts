// Which VMs are protected (spec part 6). Pure, on plain data. Hosts and appliances are UUIDs here: references mean
// something only inside one database.

export interface VmFacts {
  readonly uuid: string;
  readonly name: string;
  readonly powerState: "Halted" | "Paused" | "Running" | "Suspended";
  readonly residentOn: string | null;
  readonly order: number;
  readonly startDelay: number;
  /** Field ha_restart_priority: "restart", "best-effort" or "". */
  readonly restartPriority: string;
  readonly appliance: string | null;
  readonly otherConfig: Readonly<Record<string, string>>;
  /** Operations of xapi on it that are under way: "start_on", "clean_shutdown" … */
  readonly operations: readonly string[];
  /** What a start takes from the host, overhead included. */
  readonly memoryBytes: number;
}

export interface VmPolicy {
  readonly opMode: 1 | 2;
  readonly globalVmHa: boolean;
  /** XC_FIELD_NAME. */
  readonly fieldName: string;
  /** DISABLED_VAPPS: UUIDs of appliances. */
  readonly disabledAppliances: readonly string[];
  /** MASTER_ONLY: another manager owns the VMs; none is ever started, moved or stopped by us. */
  readonly masterOnly: boolean;
}

export interface Protection {
  readonly kind: "protected" | "unprotected";
  readonly because: string;
}

/** A field value other than "true" protects nothing: XenCenter does not check what is typed there. */
export function protectionOf(vm: Pick<VmFacts, "otherConfig" | "appliance">, policy: VmPolicy): Protection {
  if (policy.masterOnly) return { kind: "unprotected", because: "MASTER_ONLY is 1: VMs are left to their own manager" };
  if (policy.opMode === 1) return applianceProtection(vm, policy);
  if (policy.globalVmHa) return { kind: "protected", because: "GLOBAL_VM_HA is 1: every VM is" };
  const found = vm.otherConfig[customField(policy)];
  if (found === undefined)
    return { kind: "unprotected", because: `GLOBAL_VM_HA is 0 and ${policy.fieldName} is not set` };
  if (found.trim().toLowerCase() === "true") return { kind: "protected", because: `${policy.fieldName} is true` };
  return { kind: "unprotected", because: `GLOBAL_VM_HA is 0 and ${policy.fieldName} is "${found}"` };
}

function applianceProtection(vm: Pick<VmFacts, "appliance">, policy: VmPolicy): Protection {
  if (vm.appliance === null) return { kind: "unprotected", because: "OP_MODE is 1 and it is in no appliance" };
  if (policy.disabledAppliances.includes(vm.appliance))
    return { kind: "unprotected", because: "its appliance is in DISABLED_VAPPS" };
  return { kind: "protected", because: "OP_MODE is 1: every appliance is" };
}

export const isProtected = (vm: Pick<VmFacts, "otherConfig" | "appliance">, policy: VmPolicy): boolean =>
  protectionOf(vm, policy).kind === "protected";

export const customField = (policy: Pick<VmPolicy, "fieldName">): string =>
  `XenCenter.CustomFields.${policy.fieldName}`;

/** Protected VMs that xapi would start by itself at boot: that competes with us and may start one twice (A10). */
export function selfStarting(vms: readonly VmFacts[], policy: VmPolicy): readonly VmFacts[] {
  return vms.filter((vm) => vm.otherConfig["auto_poweron"] === "true" && isProtected(vm, policy));
}
