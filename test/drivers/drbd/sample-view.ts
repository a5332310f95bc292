// What DRBD says of a resource that is well, on the host that serves it; tests say what is otherwise.

import type { DrbdView } from "../../../src/core/model/drbd.ts";

export const sampleView = (change: Partial<DrbdView> = {}): DrbdView => ({
  role: "Primary",
  disk: "UpToDate",
  connection: "Connected",
  replication: "Established",
  peerRole: "Secondary",
  peerDisk: "UpToDate",
  suspended: false,
  outOfSyncKiB: 0,
  donePercent: null,
  generation: null,
  ...change,
});
