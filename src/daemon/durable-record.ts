// The durable record at a start: what this host remembers, or nothing yet; never a guess.

import type { Config } from "../config/config.ts";
import type { DurableRecord } from "../core/model/durable.ts";
import type { StorePort } from "../drivers/store/port.ts";

/** A text says why the daemon cannot start. */
export async function loadRecord(store: StorePort, config: Config): Promise<DurableRecord | string> {
  const loaded = await store.load();
  if (loaded.ok) return loaded.value;
  switch (loaded.error.kind) {
    case "absent":
      return {
        poolId: config.poolId,
        hostId: config.self.uuid,
        ha: "off",
        flags: { manual: false, maintenance: false },
        peerHa: "off",
        peerFlags: { manual: false, maintenance: false },
        epoch: 0,
        owner: null,
        solo: {},
        lastSync: {},
        takeovers: 0,
      };
    case "damaged":
      return (
        `Cannot read the durable record ${loaded.error.path}: found ${loaded.error.found}. ` +
        "It says who may serve; nothing is guessed. If the other host serves the storage, move the file away and start " +
        "again: this host then follows it. If it does not, the newest data may be here: bring the file back from a backup"
      );
    case "io":
      return `Cannot read the durable record ${loaded.error.path}: ${loaded.error.reason}`;
  }
}
