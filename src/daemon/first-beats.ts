// What a started daemon does before all else: its brain beats and feeds the watchdog again (A7). The rest of the daemon, its
// text included, is loaded afterwards: for a lab node that is more than a second.

import { createFileStore, statePath } from "../drivers/store/file-store.ts";
import { derivePeerKey, peerKeys } from "../drivers/peer/keys.ts";
import type { StorePort } from "../drivers/store/port.ts";
import type { DurableRecord } from "../core/model/durable.ts";
import type { Beginning } from "./beginning.ts";
import { startBrainThread, type BrainThread } from "./brain/brain-thread.ts";
import { loadRecord } from "./durable-record.ts";
import { brainStart } from "./brain/pool-start.ts";
import { startRound, type Round } from "./round.ts";

export interface FirstBeats {
  readonly store: StorePort;
  /** As read at the start. */
  readonly durable: DurableRecord;
  readonly brain: BrainThread;
  readonly round: Round;
  /** Whoever ends the daemon resolves it with the exit code; a brain that ends does. */
  readonly ended: PromiseWithResolvers<number>;
}

/** Resolves when the brain beats, or has ended; with a text when it cannot start. */
export async function beginToBeat({ settings, identity, secret, logger }: Beginning): Promise<FirstBeats | string> {
  const config = settings.config();
  const store = createFileStore({ path: statePath, belongsTo: { poolId: config.poolId, hostId: config.self.uuid } });
  const durable = await loadRecord(store, config);
  if (typeof durable === "string") return durable;
  const keys = peerKeys(derivePeerKey(secret, config.poolId), null);
  const start = brainStart(config, { core: settings.core(), durable, identity, keys });
  const ended = Promise.withResolvers<number>();
  const brain = startBrainThread(start, (detail) => {
    logger.event("cycle.bug", { detail });
    ended.resolve(70);
  });
  const round = startRound(start.pulses);
  await Promise.race([brain.beating, ended.promise]);
  return { store, durable, brain, round, ended };
}
