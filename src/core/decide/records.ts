// Keeps the durable record true: the peer's mode as last known (D1), `solo` cleared when the copies agree (A2), and the
// proof in memory that this copy is in sync with a clean owner.

import { allInSync, inContact, isOwner, peerOwns, view } from "../facts.ts";
import { inForce } from "../rules.ts";
import { change, log, persist, type Turn } from "../turn.ts";

export function keepRecords(turn: Turn): void {
  noteInSync(turn);
  if (turn.state.persisting !== null) return;
  if (clearSolo(turn)) return;
  notePeerMode(turn);
}

function noteInSync(turn: Turn): void {
  const { state } = turn;
  const body = state.peer.body;
  const { durable, config } = state;
  const lost = config.resources.some((r) => {
    const disk = view(state, r)?.disk;
    return disk !== undefined && disk !== "UpToDate";
  });
  if (lost && state.syncedEpoch !== null) return change(turn, { syncedEpoch: null });
  if (!inContact(state, turn.now) || body === null || !peerOwns(state) || body.owner !== config.peerId) return;
  if (body.epoch !== durable.epoch) return;
  const clean = config.resources.every((r) => body.resources[r]?.solo === false);
  if (!clean && inForce(config, "A2")) {
    if (state.syncedEpoch !== null) change(turn, { syncedEpoch: null });
    return;
  }
  if (allInSync(state) && body.serving && state.syncedEpoch !== durable.epoch)
    change(turn, { syncedEpoch: durable.epoch });
}

function clearSolo(turn: Turn): boolean {
  const { state } = turn;
  const { durable, config } = state;
  if (!isOwner(state) || !inContact(state, turn.now) || state.solo !== null || !inForce(config, "A2")) return false;
  if (!config.resources.some((r) => durable.solo[r] === true) || !allInSync(state)) return false;
  const solo = Object.fromEntries(config.resources.map((r) => [r, false]));
  const lastSync = Object.fromEntries(config.resources.map((r) => [r, durable.epoch]));
  log(turn, "drbd.changed", "the other copy is up to date again");
  return persist(turn, { solo, lastSync, takeovers: 0 }, "the other copy is up to date (A2)") !== undefined;
}

function notePeerMode(turn: Turn): void {
  const { state } = turn;
  const body = state.peer.body;
  if (body === null || !inContact(state, turn.now)) return;
  const { peerHa, peerFlags } = state.durable;
  if (peerHa === body.ha && peerFlags.manual === body.flags.manual && peerFlags.maintenance === body.flags.maintenance)
    return;
  persist(turn, { peerHa: body.ha, peerFlags: body.flags }, "the other host's mode");
}
