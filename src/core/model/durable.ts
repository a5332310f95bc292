// The one durable record of a host (protocol.md 2): written with fsync, rename and directory fsync, with a CRC.

/** A4, A20: `leaving` forbids takeovers while self-fencing and the watchdog stay until everybody agreed. */
export type HaMode = "on" | "off" | "leaving";

/** A20: independent of one another and of the HA mode, per host. */
export interface Flags {
  readonly manual: boolean;
  readonly maintenance: boolean;
}

export interface DurableRecord {
  readonly poolId: string;
  readonly hostId: string;
  readonly ha: HaMode;
  readonly flags: Flags;
  /** Last known copy of the peer's mode (D1: an unknown mode is the last durable one). */
  readonly peerHa: HaMode;
  readonly peerFlags: Flags;
  readonly epoch: number;
  readonly owner: string | null;
  /** Per resource (A16): the peer's copy is behind or barred since `epoch`. */
  readonly solo: Readonly<Record<string, boolean>>;
  /** Per resource: the epoch in which this host last was in sync with a clean owner; -1 never. */
  readonly lastSync: Readonly<Record<string, number>>;
  /** Automatic moves of the storage since the last resync or operator's act (D15, A23); instants cannot be durable. */
  readonly takeovers: number;
  /** An operator said become-secondary here, and this host has not let go yet. Absent: no. */
  readonly yields?: boolean | undefined;
}
