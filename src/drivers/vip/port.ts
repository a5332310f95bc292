// The floating IP: a /32 on the storage interface, announced by gratuitous ARP.

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
  ensureAbsent(vip: VipSpec): Promise<Result<"changed" | "already", DriverError>>;
  /** Gratuitous ARP, three times, detached and never awaited. */
  announce(vip: VipSpec): void;
  /** Duplicate detection (arping -D): takes up to a second when the address is free. */
  conflict(vip: VipSpec): Promise<Result<VipConflict, DriverError>>;
}
