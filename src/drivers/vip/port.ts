// The floating IP: a /32 or /128 on the storage interface, announced to the neighbours.

import type { Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";

export interface VipSpec {
  readonly address: string;
  readonly prefix: number;
  readonly device: string;
}

export type VipState =
  | { readonly kind: "present"; readonly device: string }
  | { readonly kind: "absent" }
  | { readonly kind: "no-interface"; readonly device: string };

export type VipConflict = { readonly kind: "free" } | { readonly kind: "answered"; readonly mac: string };

export interface VipPort {
  /** Without a process (os.networkInterfaces). */
  observe(vip: VipSpec): VipState;
  ensurePresent(vip: VipSpec): Promise<Result<"changed" | "already", DriverError>>;
  /** After a changed configuration: takes away the address that was put here under the old one. */
  removeOther(vip: VipSpec): Promise<Result<"changed" | "already", DriverError>>;
  ensureAbsent(vip: VipSpec): Promise<Result<"changed" | "already", DriverError>>;
  /** Gratuitous ARP or unsolicited neighbour advertisement, three times, detached and never awaited. */
  announce(vip: VipSpec): void;
  /** Duplicate detection (arping -D, or a neighbour solicitation): takes up to a second when the address is free. */
  conflict(vip: VipSpec): Promise<Result<VipConflict, DriverError>>;
}
