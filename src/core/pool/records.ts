// What must be on disk before it counts: the epoch and the vote, the HA mode. A storage host's record is the pair's.

import { isStorageHost } from "./facts.ts";
import { change, persist, type PoolTurn } from "./turn.ts";

export function keepRecords(turn: PoolTurn): void {
  const { state } = turn;
  if (state.follow === null || state.persisting !== null) return;
  const { durable, follow } = state;
  const isNews = follow.epoch > durable.epoch || follow.owner !== durable.owner || follow.ha !== durable.ha;
  // One vote per epoch: another host in the same epoch is nobody this host voted for.
  const stale = follow.epoch < durable.epoch;
  if (isStorageHost(state.config) || stale || !isNews) return change(turn, { follow: null });
  if (persist(turn, follow)) change(turn, { follow: null });
}
