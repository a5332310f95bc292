// Fence agents: processes under FENCE_FILE_LOC. Only a power state read back as off is success.

import type { Millis } from "../../core/model/time.ts";

export type PowerState = "on" | "off";

export type FenceResult =
  /** Read back OFF twice (D14). */
  | { readonly kind: "verified-off"; readonly elapsedMs: Millis }
  | { readonly kind: "failed"; readonly reason: string }
  /** FENCE_METHOD=POOL: there is no device; never counts as proof. */
  | { readonly kind: "no-device" };

export type StatusResult =
  { readonly kind: "power"; readonly state: PowerState } | { readonly kind: "failed"; readonly reason: string };

export interface FencePort {
  /** Off, then status until it reads off twice or the deadline passes. `hostId` must be a host of this pool and never this host (V7). */
  off(hostId: string): Promise<FenceResult>;
  status(hostId: string): Promise<StatusResult>;
  /** Does the device call this host off, twice in a row, within two seconds? Changes nothing and holds up no `off`. */
  readsOff(hostId: string): Promise<boolean>;
  /**
   * Self-test of the fence path: the agent is present, executable, owned by root and not writable by others, and its
   * `monitor` (of an agent without one, `status`) answers with the power of `hostId`. Changes nothing.
   */
  check(hostId: string): Promise<StatusResult>;
}
