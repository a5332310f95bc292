// Silence instead of resets while the storage moves: packets to and from the portal are dropped, then let through.

import type { Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";

export type Hush = "requests" | "all" | "off";

export interface FirewallPort {
  block(address: string, port: number): Promise<Result<"changed" | "already", DriverError>>;
  /**
   * The same at once and without a look: a word to a process that waits for it. For the few hundred milliseconds of a
   * planned release, where a failure only costs the initiators a reset. "requests" keeps new requests out and lets the
   * answers to those in flight go: what an initiator then still waits for was never acknowledged, so it sends again by
   * itself and finds the new place. "all" is silence both ways. A later block or unblock writes everything anew.
   */
  hush(address: string, port: number, what: Hush): Promise<void>;
  unblock(address: string, port: number): Promise<Result<"changed" | "already", DriverError>>;
  /** Kicks this host's own connections to the portal so that its initiator logs in again at once; best effort. */
  kick(address: string, port: number): void;
}
