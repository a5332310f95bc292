// In what order VMs start. Pure.

import type { VmFacts } from "./protection.ts";

/** Restart first, best-effort last (spec part 6); a VM without a priority is in between. */
export type Tier = "restart" | "normal" | "best-effort";

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
