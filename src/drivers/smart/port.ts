// What the disks of this host say about their own health (SMART).

import type { Result } from "../../util/result.ts";

export interface DiskHealth {
  /** The device as `smartctl --scan` names it, with its type where several share one path: "/dev/bus/0 megaraid,8". */
  readonly disk: string;
  /** Null: it cannot be told. */
  readonly failing: boolean | null;
  /** What the disk says, or why it cannot be told. */
  readonly detail: string;
}

export interface SmartPort {
  /** Every disk that can be found; null: smartctl is not installed. Never hangs: each call has a deadline. */
  look(): Promise<Result<readonly DiskHealth[] | null, string>>;
}
