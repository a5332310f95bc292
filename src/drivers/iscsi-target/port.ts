// The iSCSI target: kept warm on a loopback portal, filled on promotion, opened on the floating IP last.

import type { Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";

export interface ExportedLun {
  readonly resource: string;
  readonly device: string;
  readonly lun: number;
  readonly scsiId: string | null;
  readonly scsiSn: string | null;
}

export interface TargetSpec {
  readonly iqn: string;
  readonly tid: number;
  readonly luns: readonly ExportedLun[];
  /** Initiator addresses or ALL; D16 takes the peer's out. */
  readonly allow: readonly string[];
  /** In a pool of three hosts and more: what stays allowed where ALL are, while one of these is barred. */
  readonly others?: readonly string[];
  readonly portal: { readonly address: string; readonly port: number };
}

export interface TargetState {
  readonly running: boolean;
  readonly pid: number | null;
  /** LUNs that are exported at this moment, by resource. */
  readonly exported: readonly string[];
  /** A device is open here, exported or not: DRBD cannot become Secondary before it is withdrawn. */
  readonly holds: boolean;
  readonly portalOpen: boolean;
  /** Who may log in to the exported LUNs: initiator addresses, or ALL. */
  readonly allowed: readonly string[];
  readonly sessions: number | null;
  readonly writeCacheOff: boolean | null;
}

/**
 * "answers-on-loopback": not at the portal's address, so initiators are kept out on their way. "disk-waits": the target answers,
 * and the device below it gives nothing to anybody. "silent": the target hangs.
 */
export type InitiatorView = "answers" | "answers-on-loopback" | "disk-waits" | "silent";

export interface TargetPort {
  observe(): Promise<Result<TargetState, DriverError>>;
  /** Starts the server on its loopback portal with no LUN, adopting one that already runs. Idempotent. */
  warm(): Promise<Result<"changed" | "already", DriverError>>;
  /** Target, LUNs (write cache off, read back) and ACL; the portal stays closed. */
  fill(spec: TargetSpec): Promise<Result<"changed" | "already", DriverError>>;
  openPortal(spec: TargetSpec): Promise<Result<"changed" | "already", DriverError>>;
  /** Nothing is served any more when this returns ok: the server is dead and reaped (it ignores SIGTERM). */
  withdraw(): Promise<Result<"changed" | "already", DriverError>>;
  /** D16: closes the connections of these initiator addresses and bars them. */
  bar(spec: TargetSpec, addresses: readonly string[]): Promise<Result<"changed" | "already", DriverError>>;
  /** What an initiator of the portal meets now: a login and a READ. "answers" too when nothing is filled here. */
  view(spec: TargetSpec): Promise<InitiatorView>;
  /** Ends a server that hangs; its death is told to the listeners of `onDeath`. */
  end(): void;
  /** Told at once when the server dies without `withdraw`. */
  onDeath(listener: (why: string) => void): void;
}
