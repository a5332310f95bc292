// Keeps the durable record true: the peer's mode as last known (D1), `solo` cleared when the copies agree (A2), and the
// proof in memory that this copy is in sync with a clean owner.

import { allConnected, allInSync, inContact, isOwner, mayHaveTaken, peerOwns, view } from "../facts.ts";
import { inForce } from "../rules.ts";
import { change, log, persist, type Turn } from "../turn.ts";
import { forgetMoves, keepMoves } from "./flap.ts";
import { SPLIT_DATA } from "./ownership.ts";
import { resuming } from "./solo.ts";

export function keepRecords(turn: Turn): void {
  noteInSync(turn);
  noteReunion(turn);
  if (turn.state.persisting !== null) return;
  if (spendTakeover(turn)) return;
  if (clearSolo(turn) || keepMoves(turn)) return;
  if (noteReleased(turn) || noteOwner(turn) || followMode(turn)) return;
  notePeerMode(turn);
}

/**
 * V6: this host began a takeover whose record may be on the disk, and the other one is back. The epoch is used up, for the
 * owner that it has instead: that one follows, and its next is another one.
 */
function spendTakeover(turn: Turn): boolean {
  const { state } = turn;
  const { unsure } = state;
  if (unsure === null || !mayHaveTaken(state) || !inContact(state, turn.now) || state.activity !== null) return false;
  return persist(turn, { epoch: unsure, solo: {} }, "a takeover that came to nothing (V6)") !== undefined;
}

/** A4: the word that ended a two-phase change may be lost; the coordinator's heartbeats say that it is over. */
function followMode(turn: Turn): boolean {
  const { durable, peer, commands } = turn.state;
  if (durable.ha !== "leaving" || peer.body?.ha !== "off" || commands.length > 0) return false;
  if (!inContact(turn.state, turn.now)) return false;
  log(turn, "mode.changed", "HA is off: the other host completed the change");
  return persist(turn, { ha: "off", peerHa: "off" }, "HA off, as on the other host (A4)") !== undefined;
}

/** The owner itself says that it released: without that on record here, each host would wait for the other's claim (D13). */
function noteReleased(turn: Turn): boolean {
  const { state } = turn;
  const body = state.peer.body;
  if (body === null || !inContact(state, turn.now) || !peerOwns(state) || state.activity !== null) return false;
  if (body.owner !== null || body.busy || body.epoch !== state.durable.epoch) return false;
  return persist(turn, { owner: null }, "the other host released the storage (D13)") !== undefined;
}

/**
 * A split brain was resolved, and this host gave up its own claim before it knew that the other one owns the epoch. Without
 * the owner's name on record this copy never counts as in sync with it (A2), and could not take over from it.
 */
function noteOwner(turn: Turn): boolean {
  const { state } = turn;
  const { body } = state.peer;
  if (body === null || state.durable.owner !== null || !inContact(state, turn.now)) return false;
  if (body.owner !== state.config.peerId || body.epoch !== state.durable.epoch) return false;
  if (state.activity !== null || state.claim !== null || state.handover !== null) return false;
  return persist(turn, { owner: body.owner }, "the other host owns this epoch (D11)") !== undefined;
}

function noteInSync(turn: Turn): void {
  const { state } = turn;
  const body = state.peer.body;
  const { durable, config } = state;
  const lost = config.resources.some((r) => {
    const disk = view(state, r)?.disk;
    return disk !== undefined && disk !== "UpToDate";
  });
  // A13: a host that leaves stays ineligible until its next daemon heard the owner again.
  if (state.stopping?.intent === "leaving") return;
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

/** DRBD connects only copies of which one comes from the other: an operator resolved the split brain. */
function noteReunion(turn: Turn): void {
  if (turn.state.blocked?.startsWith(SPLIT_DATA) !== true || !allConnected(turn.state)) return;
  change(turn, { blocked: null });
}

function clearSolo(turn: Turn): boolean {
  const { state } = turn;
  const { durable, config } = state;
  if (!isOwner(state) || !inContact(state, turn.now) || state.solo !== null || !inForce(config, "A2")) return false;
  if (!config.resources.some((r) => durable.solo[r] === true) || !allInSync(state)) return false;
  // It would lift the next suspension, for which there is no proof then.
  if (config.resources.some((r) => state.repairs[resuming(r)] !== undefined)) return false;
  const solo = Object.fromEntries(config.resources.map((r) => [r, false]));
  const lastSync = Object.fromEntries(config.resources.map((r) => [r, durable.epoch]));
  log(turn, "drbd.changed", "the other copy is up to date again");
  forgetMoves(turn);
  return (
    persist(turn, { solo, lastSync, takeovers: turn.state.moves.length }, "the other copy is up to date (A2)") !==
    undefined
  );
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
