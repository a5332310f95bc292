// Which VMs are protected, which of them are to be started, in what order and whether they fit. Pure, on plain data;
// it must never say "start" for a VM of which it is not known that it runs nowhere.
// Hosts are UUIDs here: references mean something only inside one database.

export interface VmFacts {
  readonly uuid: string;
  readonly name: string;
  readonly powerState: "Halted" | "Paused" | "Running" | "Suspended";
  readonly residentOn: string | null;
  readonly order: number;
  readonly startDelay: number;
  /** Field ha_restart_priority: "restart", "best-effort" or "". */
  readonly restartPriority: string;
  readonly otherConfig: Readonly<Record<string, string>>;
  /** What a start takes from the host, overhead included. */
  readonly memoryBytes: number;
}

export interface VmPolicy {
  readonly opMode: 1 | 2;
  readonly globalVmHa: boolean;
  /** XC_FIELD_NAME. */
  readonly fieldName: string;
}

export interface Protection {
  readonly kind: "protected" | "unprotected";
  readonly because: string;
}

/** Spec part 6. A field value other than "true" protects nothing: XenCenter does not check what is typed there. */
export function protectionOf(vm: Pick<VmFacts, "otherConfig">, policy: VmPolicy): Protection {
  if (policy.opMode === 1) return { kind: "unprotected", because: "OP_MODE is 1: appliances are protected, not VMs" };
  if (policy.globalVmHa) return { kind: "protected", because: "GLOBAL_VM_HA is 1: every VM is" };
  const found = vm.otherConfig[customField(policy)];
  if (found === undefined)
    return { kind: "unprotected", because: `GLOBAL_VM_HA is 0 and ${policy.fieldName} is not set` };
  if (found.trim().toLowerCase() === "true") return { kind: "protected", because: `${policy.fieldName} is true` };
  return { kind: "unprotected", because: `GLOBAL_VM_HA is 0 and ${policy.fieldName} is "${found}"` };
}

export const customField = (policy: Pick<VmPolicy, "fieldName">): string =>
  `XenCenter.CustomFields.${policy.fieldName}`;

/** Restart first, best-effort last (spec part 6); a VM without a priority is in between. */
export type Tier = "restart" | "normal" | "best-effort";

export type Verdict =
  | { readonly kind: "start"; readonly because: string }
  | { readonly kind: "leave"; readonly because: string }
  /** It should run and cannot be started safely: a person has to look. */
  | { readonly kind: "alarm"; readonly because: string };

export interface VmDecision {
  readonly uuid: string;
  readonly name: string;
  readonly verdict: Verdict;
}

export interface HostLoss {
  readonly vms: readonly VmFacts[];
  readonly policy: VmPolicy;
  readonly lostHost: string;
  readonly ownHost: string;
  /**
   * Where each VM was last seen to run, by heartbeats: a host, null = seen stopped, absent = no knowledge. It overrules
   * the database, which is up to five minutes old on a host that has just become master (xapi.md 0.5).
   */
  readonly lastSeen: ReadonlyMap<string, string | null>;
  /** Domains of this host as its hypervisor lists them; null: could not be asked. */
  readonly localDomains: ReadonlySet<string> | null;
}

/** What becomes of every VM after `lostHost` was proven dead. One decision per VM, those unknown to the database included. */
export function decideHostLoss(loss: HostLoss): readonly VmDecision[] {
  const known = loss.vms.map((vm) => ({ uuid: vm.uuid, name: vm.name, verdict: afterHostLoss(vm, loss) }));
  const uuids = new Set(loss.vms.map((vm) => vm.uuid));
  const missing = [...loss.lastSeen]
    .filter(([uuid, host]) => host === loss.lostHost && !uuids.has(uuid))
    .map(([uuid]): VmDecision => {
      const because = "it ran on the lost host and is not in the pool database, whose last copy is older than the VM";
      return { uuid, name: uuid, verdict: { kind: "alarm", because } };
    });
  return [...known, ...missing];
}

function afterHostLoss(vm: VmFacts, loss: HostLoss): Verdict {
  const seen = loss.lastSeen.get(vm.uuid);
  const recorded = vm.powerState === "Running" || vm.powerState === "Paused" ? vm.residentOn : null;
  const ranAt = seen === undefined ? recorded : seen;
  if (ranAt !== loss.lostHost) {
    if (recorded === loss.lostHost && seen === null) return leave("it was stopped before the host was lost");
    return leave(ranAt === null ? "it did not run" : "it does not run on the lost host");
  }
  const protection = protectionOf(vm, loss.policy);
  if (protection.kind === "unprotected") return leave(`it is not protected: ${protection.because}`);
  if (loss.localDomains === null) return alarm("this host's domains are unknown, so it may run here already");
  if (loss.localDomains.has(vm.uuid)) return leave("it runs on this host already");
  if (recorded !== null && recorded !== loss.lostHost)
    return alarm("the pool database says that it runs on another host");
  if (vm.powerState === "Suspended") {
    return alarm("the pool database has an old suspended image of it: resuming that would damage its disks");
  }
  return { kind: "start", because: `it ran on the lost host, and ${protection.because}` };
}

const leave = (because: string): Verdict => ({ kind: "leave", because });
const alarm = (because: string): Verdict => ({ kind: "alarm", because });

/** How a VM that ran under our eyes came to stop. */
export type StopCause = "on-purpose" | "by-itself" | "unknown";

export interface VmHistory {
  /** It was seen running on this host since HA was enabled. */
  readonly ranHere: boolean;
  readonly stop: StopCause | null;
  /** Restarts of ours inside the window of the limit. */
  readonly recentRestarts: number;
}

export interface OwnHost {
  readonly vms: readonly VmFacts[];
  readonly policy: VmPolicy;
  readonly history: ReadonlyMap<string, VmHistory>;
  readonly localDomains: ReadonlySet<string> | null;
  /** A VM that falls down more often is left down, with an alarm. */
  readonly maxRestarts: number;
}

/** VMs of this host that stopped (spec part 6): by themselves = start again; on purpose, or never started = leave. */
export function decideOwnHost(own: OwnHost): readonly VmDecision[] {
  return own.vms.map((vm) => ({ uuid: vm.uuid, name: vm.name, verdict: afterStop(vm, own) }));
}

function afterStop(vm: VmFacts, own: OwnHost): Verdict {
  const history = own.history.get(vm.uuid);
  if (vm.powerState !== "Halted") return leave(`it is ${vm.powerState.toLowerCase()}`);
  if (history === undefined || !history.ranHere) return leave("it was not seen running here");
  if (history.stop === "on-purpose") return leave("it was stopped on purpose");
  const protection = protectionOf(vm, own.policy);
  if (protection.kind === "unprotected") return leave(`it is not protected: ${protection.because}`);
  if (history.stop !== "by-itself") return alarm("it stopped, and whether on purpose is unknown");
  if (own.localDomains === null) return alarm("this host's domains are unknown, so it may still run");
  if (own.localDomains.has(vm.uuid)) return leave("its domain still exists");
  if (history.recentRestarts >= own.maxRestarts)
    return alarm(`it stopped again after ${history.recentRestarts} restarts`);
  return { kind: "start", because: `it stopped by itself, and ${protection.because}` };
}

export interface StartGroup {
  readonly tier: Tier;
  readonly order: number;
  readonly vms: readonly VmFacts[];
}

/** Groups in the order of their start: tier, then XAPI's `order`; inside a group all start together, as in an appliance. */
export function startGroups(vms: readonly VmFacts[]): readonly StartGroup[] {
  const groups = new Map<string, { tier: Tier; order: number; vms: VmFacts[] }>();
  for (const vm of vms) {
    const tier = tierOf(vm);
    const key = `${tier}/${vm.order}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { tier, order: vm.order, vms: [vm] });
    else group.vms.push(vm);
  }
  return [...groups.values()]
    .map((group) => ({ ...group, vms: group.vms.toSorted((a, b) => compareText(a.uuid, b.uuid)) }))
    .toSorted((a, b) => TIERS.indexOf(a.tier) - TIERS.indexOf(b.tier) || a.order - b.order);
}

const TIERS: readonly Tier[] = ["restart", "normal", "best-effort"];

export function tierOf(vm: Pick<VmFacts, "restartPriority">): Tier {
  if (vm.restartPriority === "restart") return "restart";
  return vm.restartPriority === "best-effort" ? "best-effort" : "normal";
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export interface Admission {
  readonly admitted: readonly StartGroup[];
  readonly refused: readonly { readonly vm: VmFacts; readonly freeBytes: number }[];
  readonly leftBytes: number;
}

/** Who gets the memory: in start order; one that does not fit is refused, and later smaller ones may still fit. */
export function admit(groups: readonly StartGroup[], freeBytes: number): Admission {
  let leftBytes = freeBytes;
  const refused: { vm: VmFacts; freeBytes: number }[] = [];
  const admitted = groups.map((group) => ({
    ...group,
    vms: group.vms.filter((vm) => {
      if (vm.memoryBytes > leftBytes) {
        refused.push({ vm, freeBytes: leftBytes });
        return false;
      }
      leftBytes -= vm.memoryBytes;
      return true;
    }),
  }));
  return { admitted: admitted.filter((group) => group.vms.length > 0), refused, leftBytes };
}

/**
 * Would the protected VMs that run on `otherHost` fit on a survivor with `freeBytes`? Asked all the time, so that the
 * overcommit alert comes when it becomes true and not on the day of the failure.
 */
export function roomFor(
  otherHost: string,
  vms: readonly VmFacts[],
  policy: VmPolicy,
  freeBytes: number,
): readonly VmFacts[] {
  const needed = vms.filter(
    (vm) => vm.residentOn === otherHost && vm.powerState !== "Halted" && protectionOf(vm, policy).kind === "protected",
  );
  return admit(startGroups(needed), freeBytes).refused.map((one) => one.vm);
}

/** Protected VMs that xapi would start by itself at boot: that competes with us and may start one twice (A10). */
export function selfStarting(vms: readonly VmFacts[], policy: VmPolicy): readonly VmFacts[] {
  return vms.filter((vm) => vm.otherConfig["auto_poweron"] === "true" && protectionOf(vm, policy).kind === "protected");
}
