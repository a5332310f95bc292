// DRBD's own words for the state of one resource (drbdsetup(8), 8.4 and 9). No synonyms of ours.

export type DrbdRole = "Primary" | "Secondary" | "Unknown";

export type DiskState =
  | "Diskless"
  | "Attaching"
  | "Detaching"
  | "Failed"
  | "Negotiating"
  | "Inconsistent"
  | "Outdated"
  | "DUnknown"
  | "Consistent"
  | "UpToDate";

/** 8.4 says WFConnection where 9 says Connecting; parsers report Connecting. */
export type ConnectionState =
  | "StandAlone"
  | "Disconnecting"
  | "Unconnected"
  | "Timeout"
  | "BrokenPipe"
  | "NetworkFailure"
  | "ProtocolError"
  | "TearDown"
  | "Connecting"
  | "Connected";

export type ReplicationState =
  | "Off"
  | "Established"
  | "StartingSyncS"
  | "StartingSyncT"
  | "WFBitMapS"
  | "WFBitMapT"
  | "WFSyncUUID"
  | "SyncSource"
  | "SyncTarget"
  | "VerifyS"
  | "VerifyT"
  | "PausedSyncS"
  | "PausedSyncT"
  | "Ahead"
  | "Behind";

/** Generation UUIDs as `drbdadm get-gi` prints them: current, bitmap, history. Hexadecimal, without the role bit. */
export interface Generation {
  readonly current: string;
  readonly bitmap: string;
  readonly history: readonly string[];
}

/** What this host's kernel says of one resource. */
export interface DrbdView {
  readonly role: DrbdRole;
  readonly disk: DiskState;
  readonly connection: ConnectionState;
  readonly replication: ReplicationState;
  readonly peerRole: DrbdRole;
  readonly peerDisk: DiskState;
  /** I/O is frozen by the fencing policy until the fence-peer handler answers. */
  readonly suspended: boolean;
  /** Kibibytes out of sync, and the part already done in percent while a resync runs. */
  readonly outOfSyncKiB: number | null;
  readonly donePercent: number | null;
  /** Null when not read; never guessed. */
  readonly generation: Generation | null;
  /** Wall clock, for display: when a write to this copy was seen last. Only while StandAlone, absent when none was seen. */
  readonly lastWriteWallMs?: number;
}
