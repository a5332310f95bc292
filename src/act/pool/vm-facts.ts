// VM records in the terms of the decisions: references become UUIDs, because references mean something only inside one
// database. Pure.

import type { VmFacts } from "../../core/decide/vms/protection.ts";
import type { PoolVm } from "../../drivers/xapi/port.ts";

interface Named {
  readonly ref: string;
  readonly uuid: string;
}

export type FactsOf = (vm: PoolVm) => VmFacts;

/** `appliances` may be left out where OP_MODE is 2. A reference that is in no list stands for itself. */
export function vmFacts(hosts: readonly Named[], appliances: readonly Named[] = []): FactsOf {
  const uuids = new Map([...hosts, ...appliances].map((one) => [one.ref, one.uuid]));
  const uuidOf = (ref: string | null): string | null => (ref === null ? null : (uuids.get(ref) ?? ref));
  return (vm) => ({
    uuid: vm.uuid,
    name: vm.name,
    powerState: vm.powerState,
    residentOn: uuidOf(vm.residentOn),
    order: vm.order,
    startDelay: vm.startDelay,
    restartPriority: vm.restartPriority,
    appliance: uuidOf(vm.appliance),
    otherConfig: vm.otherConfig,
    operations: vm.operations,
    memoryBytes: vm.memoryDynamicMin + vm.memoryOverhead,
  });
}
