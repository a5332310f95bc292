// A durable record for the tests of the store.

import type { DurableRecord } from "../../../src/core/model/durable.ts";

export const sample: DurableRecord = {
  poolId: "99999999-9999-4999-8999-999999999999",
  hostId: "11111111-1111-4111-8111-111111111111",
  ha: "on",
  flags: { manual: false, maintenance: false },
  peerHa: "on",
  peerFlags: { manual: false, maintenance: true },
  epoch: 12,
  owner: "11111111-1111-4111-8111-111111111111",
  solo: { iscsi1: true },
  lastSync: { iscsi1: 11, iscsi2: -1 },
  takeovers: 1,
};
