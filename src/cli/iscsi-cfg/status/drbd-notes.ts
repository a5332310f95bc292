// What DRBD's states mean for the person who reads them: one short sentence for each that is not plain health. Pure.

import type { DrbdView } from "../../../core/model/drbd.ts";
import type { Style } from "./spans.ts";

export interface DrbdNote {
  readonly text: string;
  readonly style: Style;
}

/** Most urgent first; empty when both copies are in sync and connected. */
export function drbdNotes(view: DrbdView): readonly DrbdNote[] {
  return [
    ...(view.suspended ? [{ text: "I/O SUSPENDED: peer not barred", style: "bad" as const }] : []),
    ...diskNote(view),
    ...connectionNote(view),
  ];
}

function diskNote({ disk, replication, role }: DrbdView): readonly DrbdNote[] {
  switch (disk) {
    case "UpToDate":
      return [];
    case "Diskless":
      return [{ text: role === "Primary" ? "no disk: works on the peer's" : "no disk: holds no copy", style: "bad" }];
    case "Failed":
    case "Detaching":
      return [{ text: "the disk failed and is let go", style: "bad" }];
    case "Attaching":
    case "Negotiating":
      return [{ text: "the disk is being attached", style: "warn" }];
    case "Inconsistent":
      return replication === "SyncTarget" || replication === "PausedSyncT"
        ? [{ text: "not promoted before this ends", style: "warn" }]
        : [{ text: "half a copy: it needs a resync", style: "bad" }];
    case "Outdated":
      return [{ text: "behind the peer: not promoted", style: "bad" }];
    case "Consistent":
    case "DUnknown":
      return [{ text: "may be older than the peer's", style: "warn" }];
  }
}

function connectionNote({ connection }: DrbdView): readonly DrbdNote[] {
  return connection === "StandAlone" ? [{ text: "does not look for its peer", style: "bad" }] : [];
}
