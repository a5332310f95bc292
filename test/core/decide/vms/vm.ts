// A VM and a policy for the tests of this room.

import type { VmFacts, VmPolicy } from "../../../../src/core/decide/vms/protection.ts";

export const everyVm: VmPolicy = {
  opMode: 2,
  globalVmHa: true,
  fieldName: "ha-lizard-enabled",
  disabledAppliances: [],
  masterOnly: false,
};

export function vm(change: Partial<VmFacts> = {}): VmFacts {
  return {
    uuid: "a",
    name: "web",
    powerState: "Running",
    residentOn: "lost",
    order: 0,
    startDelay: 0,
    restartPriority: "",
    appliance: null,
    otherConfig: {},
    operations: [],
    memoryBytes: 100,
    ...change,
  };
}
