// Which host has room for which VM, and how many hosts the pool can lose. Asked all the time, so that the overcommit
// alert comes when it becomes true and not on the day of the failure. Pure; bytes.

import { startGroups } from "./order.ts";
import { isProtected, type VmFacts, type VmPolicy } from "./protection.ts";

export interface HostRoom {
  readonly uuid: string;
  readonly name: string;
  /** What guests may have in all: the host's memory less what the hypervisor and the control domain take. */
  readonly guestBytes: number;
  /** Enabled, and xapi calls it live. */
  readonly usable: boolean;
}

const runs = (vm: VmFacts): boolean => vm.powerState === "Running" || vm.powerState === "Paused";

/** Free bytes of each usable host, as its resident VMs leave them; never below zero. */
export function freeOf(hosts: readonly HostRoom[], vms: readonly VmFacts[]): Map<string, number> {
  const free = new Map(hosts.filter((host) => host.usable).map((host) => [host.uuid, host.guestBytes]));
  for (const vm of vms) {
    const left = vm.residentOn === null || !runs(vm) ? undefined : free.get(vm.residentOn);
    if (left !== undefined && vm.residentOn !== null) free.set(vm.residentOn, Math.max(0, left - vm.memoryBytes));
  }
  return free;
}

/** The host with the most room that holds the VM, or the preferred one if it does; undefined: it fits nowhere. */
export function chooseHost(
  vm: Pick<VmFacts, "memoryBytes">,
  free: ReadonlyMap<string, number>,
  preferred: string | null = null,
): string | undefined {
  const there = preferred === null ? undefined : free.get(preferred);
  if (preferred !== null && there !== undefined && there >= vm.memoryBytes) return preferred;
  let best: string | undefined;
  let bestFree = -1;
  for (const [host, bytes] of free) {
    if (bytes < vm.memoryBytes || bytes < bestFree || (bytes === bestFree && best !== undefined && best < host))
      continue;
    best = host;
    bestFree = bytes;
  }
  return best;
}

export interface Capacity {
  /** Host failures after which every protected VM still finds room; at most one less than the usable hosts. */
  readonly tolerated: number;
  readonly usableHosts: number;
  /** One failure that the pool cannot bear: the host, and the VMs without room; null when it can bear each one. */
  readonly shortage: { readonly host: string; readonly vms: readonly VmFacts[] } | null;
}

/**
 * One failure is tried with every host. Several at once are tried with those hosts that would leave the most to be placed:
 * all combinations would be too many in a large pool, so the number is an estimate from two failures on.
 */
export function capacityOf(hosts: readonly HostRoom[], vms: readonly VmFacts[], policy: VmPolicy): Capacity {
  const usable = hosts.filter((host) => host.usable);
  const roomy = [...freeOf(hosts, vms)].map(([host, free]): Room => ({ host, free })).toSorted(roomiest);
  const guarded = new Map(usable.map((host): [string, VmFacts[]] => [host.uuid, []]));
  // Sorted once for all failures that are tried.
  const inOrder = startGroups(vms.filter((vm) => runs(vm) && isProtected(vm, policy))).flatMap((group) => group.vms);
  for (const vm of inOrder) guarded.get(vm.residentOn ?? "")?.push(vm);
  const load = new Map([...guarded].map(([host, its]) => [host, its.reduce((sum, vm) => sum + vm.memoryBytes, 0)]));
  const lost = (failed: readonly string[]): readonly VmFacts[] => {
    const gone = new Set(failed);
    const [only] = failed;
    const homeless =
      failed.length === 1 ? (guarded.get(only ?? "") ?? []) : inOrder.filter((vm) => gone.has(vm.residentOn ?? ""));
    return withoutRoom(homeless, firstOf(roomy, gone, homeless.length));
  };
  if (usable.length < 2) return { tolerated: 0, usableHosts: usable.length, shortage: null };
  let shortage: Capacity["shortage"] = null;
  for (const host of usable) {
    const homeless = lost([host.uuid]);
    if (homeless.length > (shortage?.vms.length ?? 0)) shortage = { host: host.name, vms: homeless };
  }
  if (shortage !== null) return { tolerated: 0, usableHosts: usable.length, shortage };
  const heaviest = usable
    .map((host) => host.uuid)
    .toSorted((a, b) => (load.get(b) ?? 0) - (load.get(a) ?? 0) || (a < b ? -1 : 1));
  // Halved each time: in a pool of 64 hosts one number after the other took 100 ms.
  let tolerated = 1;
  let tooMany = usable.length;
  while (tooMany - tolerated > 1) {
    const failures = Math.floor((tolerated + tooMany) / 2);
    if (lost(heaviest.slice(0, failures)).length === 0) tolerated = failures;
    else tooMany = failures;
  }
  return { tolerated, usableHosts: usable.length, shortage: null };
}

interface Room {
  readonly host: string;
  readonly free: number;
}

/** The order in which `chooseHost` would have them. */
const roomiest = (a: Room, b: Room): number => b.free - a.free || (a.host < b.host ? -1 : 1);

/** The roomiest of those that are left: so many VMs reach at most so many hosts, and none of less room. */
function firstOf(roomy: readonly Room[], gone: ReadonlySet<string>, count: number): Room[] {
  const first: Room[] = [];
  for (const room of roomy) {
    if (first.length === count) break;
    if (!gone.has(room.host)) first.push(room);
  }
  return first;
}

/** `vms` in start order; one that does not fit is left out, and later smaller ones may still fit. `rooms`: the roomiest first. */
function withoutRoom(vms: readonly VmFacts[], rooms: Room[]): readonly VmFacts[] {
  const homeless: VmFacts[] = [];
  for (const vm of vms) {
    const [first] = rooms;
    if (first === undefined || first.free < vm.memoryBytes) homeless.push(vm);
    else {
      rooms.shift();
      putBack(rooms, { host: first.host, free: first.free - vm.memoryBytes });
    }
  }
  return homeless;
}

/** Keeps the order. */
function putBack(rooms: Room[], room: Room): void {
  let [low, high] = [0, rooms.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const there = rooms[middle];
    if (there !== undefined && roomiest(there, room) < 0) low = middle + 1;
    else high = middle;
  }
  rooms.splice(low, 0, room);
}
