// Which survivor starts which VM of a lost host. Pure, and the same for the same facts on every host.

import { chooseHost } from "./capacity.ts";
import type { StartGroup } from "./order.ts";
import type { VmFacts } from "./protection.ts";

export interface Room {
  readonly hostId: string;
  readonly freeBytes: number;
}

export interface Placed {
  readonly vm: VmFacts;
  readonly hostId: string;
}

export interface Placement {
  /** In the order of the starts. */
  readonly groups: readonly (readonly Placed[])[];
  /** Those that fit nowhere, with the most that any host had left then. */
  readonly refused: readonly { readonly vm: VmFacts; readonly freeBytes: number }[];
}

/**
 * In the order of the starts, each VM on the host with the most memory left (of equal ones the lower UUID). One that fits
 * nowhere is refused, and later smaller ones may still fit.
 */
export function place(groups: readonly StartGroup[], rooms: readonly Room[]): Placement {
  const free = new Map(rooms.map((room) => [room.hostId, room.freeBytes]));
  const refused: { vm: VmFacts; freeBytes: number }[] = [];
  const placed = groups.map((group) =>
    group.vms.flatMap((vm): readonly Placed[] => {
      const hostId = chooseHost(vm, free);
      if (hostId === undefined) {
        refused.push({ vm, freeBytes: Math.max(0, ...free.values()) });
        return [];
      }
      free.set(hostId, (free.get(hostId) ?? 0) - vm.memoryBytes);
      return [{ vm, hostId }];
    }),
  );
  return { groups: placed.filter((group) => group.length > 0), refused };
}
