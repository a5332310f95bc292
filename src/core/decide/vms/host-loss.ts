// What becomes of every VM after a host was proven dead (D7). Pure; it must never say "start" for a VM of which it is not
// known that it runs nowhere.

import { protectionOf, type VmFacts, type VmPolicy } from "./protection.ts";

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
