// The watchdog lives in a holder process of its own; the daemon only sends it tokens (protocol.md 4, A6, A7).

import type { Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";

export interface WatchdogPort {
  /** Starts or adopts the holder and arms the device. */
  arm(): Promise<Result<"changed" | "already", DriverError>>;
  /** One token: "this cycle was proven safe". Never queued, never retried. */
  token(): void;
  /** Closes the device with the magic character; only after an agreed pause or with HA off. */
  disarm(): Promise<Result<"changed" | "already", DriverError>>;
  armed(): boolean;
}
