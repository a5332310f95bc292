// DRBD 8.4 and 9 as the daemon uses it. Real driver: drbdadm/drbdsetup; parsers: parse-*.ts.

import type { DrbdView, Generation } from "../../core/model/drbd.ts";
import type { Millis } from "../../core/model/time.ts";
import type { Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";

export interface DrbdPort {
  /** The state of every configured resource; a resource that is not up is absent from the map. */
  observe(): Promise<Result<ReadonlyMap<string, DrbdView>, DriverError>>;
  /**
   * Follows `drbdsetup events2`; calls `onChange` with the whole picture after each change, without polling.
   * When the stream ends the picture is thrown away, `onLost` is told why, and the stream is started again
   * (bounded back-off) until `stop`.
   */
  follow(onChange: (views: ReadonlyMap<string, DrbdView>) => void, onLost: (why: string) => void): { stop(): void };
  /**
   * The kernel's module, without a process. It has to be asked again and again: what was known of a module that was unloaded
   * is thrown away, and the one that was loaded in its place is followed.
   */
  isLoaded(): boolean;
  /** Loads the module and makes our script its helper. Idempotent. */
  load(): Promise<Result<"changed" | "already", DriverError>>;
  /** Loads the module, attaches and connects. Idempotent. */
  up(resource: string): Promise<Result<"changed" | "already", DriverError>>;
  /** Never with --force. The kernel may call the fence-peer handler before this returns. */
  promote(resource: string): Promise<Result<"changed" | "already", DriverError>>;
  /** Fails while anything holds the device open: proof that nobody writes. */
  demote(resource: string): Promise<Result<"changed" | "already", DriverError>>;
  /**
   * Demotes a Primary whose I/O is suspended for good because another host owns the storage: what waits fails, so that
   * whoever holds the device can close it; then the resource is set up anew and resyncs. Loses what was not acknowledged.
   */
  abandon(resource: string): Promise<Result<"changed" | "already", DriverError>>;
  /** Marks the own copy Outdated, durably in DRBD's metadata (D3, D9). */
  outdate(resource: string): Promise<Result<"changed" | "already", DriverError>>;
  /** Reconnects after StandAlone without discarding anything. */
  connect(resource: string): Promise<Result<"changed" | "already", DriverError>>;
  /**
   * Gives this copy up after a split brain: `disconnect`, `secondary`, `connect --discard-my-data` (drbdadm(8)). With `snapshot`
   * the disk is kept as an LVM snapshot first where it is a logical volume with room for it; a snapshot that fails is an
   * error, and nothing is given up. What was kept comes as a sentence.
   */
  discard(resource: string, snapshot: boolean): Promise<Result<string, DriverError>>;
  /** Lifts a suspension that no handler answers any more (A15); only with D3/D4 proof. */
  resumeIo(resource: string): Promise<Result<"changed" | "already", DriverError>>;
  /** What the kernel counts for this copy, without a process; null where it does not say (resource down, DRBD 9). */
  counters(resource: string): Promise<DrbdCounters>;
  generation(resource: string): Promise<Result<Generation, DriverError>>;
  /** The resources of DRBD's configuration files, up or not. */
  configured(): Promise<Result<readonly ConfiguredResource[], DriverError>>;
  /** Module and tool versions for status. */
  version(): Promise<Result<{ readonly module: string; readonly utils: string }, DriverError>>;
}

export interface DrbdCounters {
  /** Sectors written since the device is up. */
  readonly writtenSectors: number | null;
  /** What the other copy lacks, also at StandAlone. */
  readonly outOfSyncKiB: number | null;
}

/** How soon DRBD itself notices a dead peer (drbd.conf(5)); the inequalities are about these. */
export interface ConfiguredTimings {
  readonly timeoutMs: Millis;
  readonly pingIntMs: Millis;
  readonly pingTimeoutMs: Millis;
  readonly connectIntMs: Millis;
}

export interface ConfiguredResource {
  readonly name: string;
  /** Of all its volumes, on this host and others. */
  readonly devices: readonly string[];
  readonly timings: ConfiguredTimings;
  /** What was written of the options that a failover depends on (protocol.md 8); absent: DRBD's default. */
  readonly options: Readonly<Record<string, string>>;
}

/** A fence-peer handler that DRBD waits for (agents/drbd/fence-peer); it stays until it is answered, over restarts of the daemon. */
export interface WaitingHandler {
  readonly resource: string;
  readonly id: string;
}

/** Exit codes of the handler: 4 peer outdated by consent, 7 peer proven out of the way, 6 the peer is the owner, 1 stay suspended. Never 5. */
export type HandlerCode = 4 | 7 | 6 | 1;

export interface HandlerPort {
  /** Reports every waiting handler at start and each new one after. */
  watch(onWaiting: (handler: WaitingHandler) => void): { stop(): void };
  answer(handler: WaitingHandler, code: HandlerCode): Promise<Result<"answered" | "gone", DriverError>>;
}
