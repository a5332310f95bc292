// D7 and A11 for every host of the pool: the master role after a lost master, supporters that still look for the old one,
// and the VMs of each lost host on those that are left.

import { valueOf } from "../model/observation.ts";
import type { Instant } from "../model/time.ts";
import {
  barQuorumOf,
  deathDoubt,
  inContact,
  isStorageHost,
  leaderOf,
  leads,
  lossForbidden,
  others,
  provenOff,
  provesByTime,
  restartRefusal,
  watched,
} from "./facts.ts";
import type { Attempt, PoolState } from "./model.ts";
import { change, changeHost, effect, log, type PoolTurn } from "./turn.ts";

const MAX_ATTEMPTS = 5;
const RETRY_MS = 10_000;
const LONGEST_RETRY_MS = 60_000;

export function recoverPool(turn: PoolTurn): void {
  if (commandsSupporters(turn.state, turn.now)) recoverSupporters(turn);
  if (!leads(turn.state, turn.now)) return;
  promote(turn);
  for (const [hostId] of watched(turn.state)) recoverHost(turn, hostId);
}

const begun = (before: Attempt | null, id: number, now: Instant): Attempt => ({
  phase: "running",
  id,
  attempts: (before?.attempts ?? 0) + 1,
  at: now,
});

const waits = (attempt: Attempt | null, now: Instant): boolean =>
  attempt !== null && (attempt.phase !== "failed" || attempt.attempts >= MAX_ATTEMPTS || now - attempt.at < RETRY_MS);

/** A11: the leader's own toolstack, when the master it knows of is proven dead. The pair's other host is the pair's. */
function promote(turn: PoolTurn): void {
  const { state, now } = turn;
  const xapi = valueOf(state.xapi);
  if (xapi?.role !== "supporter" || xapi.masterId === null || waits(state.promotion, now)) return;
  const master = watched(state).find(([hostId]) => hostId === xapi.masterId)?.[1];
  if (master === undefined || inContact(state, master, now) || state.durable.ha !== "on") return;
  if (lossForbidden(state, master, now) !== undefined || deathDoubt(state, master, now) !== undefined) return;
  const id = effect(turn, { kind: "xapi-promote" });
  change(turn, { promotion: begun(state.promotion, id, now) });
  log(turn, "xapi.lost", "the pool master is dead: this host's toolstack takes the role (A11)", "warn");
}

/** The leader says which toolstack is the master: its own, or the one that its own follows (A11). */
export function commandsSupporters(state: PoolState, now: Instant): boolean {
  if (valueOf(state.xapi)?.role !== "master" || state.durable.ha !== "on") return false;
  if (leads(state, now)) return true;
  const leader = leaderOf(state, now);
  if (leader === undefined || !inContact(state, leader, now)) return false;
  return leader.body?.xapi === "supporter" && leader.body.masterId === state.config.hostId;
}

/** Hosts that answer but still point at another master (xapi.md: a running supporter never looks for a new one). */
function recoverSupporters(turn: PoolTurn): void {
  const { state, now } = turn;
  const { supporters, config } = state;
  // Of two storage hosts that both call themselves master the pair's own rule tells one (decide/repair): one order, not two.
  const pairs = (hostId: string): boolean => isStorageHost(config) && config.storageHosts.includes(hostId);
  const lost = others(state).filter(([hostId, one]) => {
    const role = one.body?.xapi;
    if (role === undefined || role === "unknown" || (role === "master" && pairs(hostId))) return false;
    return inContact(state, one, now) && one.body?.masterId !== config.hostId;
  });
  if (lost.length === 0) {
    if (supporters !== null && supporters.phase !== "running") change(turn, { supporters: null });
    return;
  }
  // A host whose toolstack restarts in its new role needs 10 s until it says so; none is given up.
  const waitMs = Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** ((supporters?.attempts ?? 1) - 1));
  if (supporters !== null && (supporters.phase === "running" || now - supporters.at < waitMs)) return;
  const id = effect(turn, { kind: "recover-supporters" });
  change(turn, { supporters: begun(supporters, id, now) });
  log(turn, "pool.step", `${lost.length} hosts follow another master: they are asked to follow this one`);
}

function recoverHost(turn: PoolTurn, hostId: string): void {
  const { state, now } = turn;
  const one = state.neighbours[hostId];
  if (one === undefined || waits(one.recovery, now)) return;
  if (one.barSince === null && !state.dead.includes(hostId)) return;
  if (restartRefusal(state, hostId, now) !== undefined) return;
  if (!state.dead.includes(hostId)) change(turn, { dead: [...state.dead, hostId], urgent: true });
  // Every later leader hears of this death, because two majorities have a host in common.
  if (!known(turn.state, hostId)) return;
  const survivors = survivorsOf(turn.state, now);
  const id = effect(turn, { kind: "recover-host", hostId, survivors });
  changeHost(turn, hostId, { recovery: begun(one.recovery, id, now) });
  log(turn, "vm.starting", `${hostId} is dead: its VMs start on ${survivors.length} hosts (D7)`);
}

/** Do enough hosts know of this death that every later leader hears of it? */
export function known(state: PoolState, hostId: string): boolean {
  const { config } = state;
  if (!provesByTime(config) && !config.quorumRequired) return true;
  const voters = others(state).filter(
    ([voterId, voter]) => voterId !== hostId && (provenOff(voter) || voter.body?.dead.includes(hostId) === true),
  );
  return voters.length + 1 >= barQuorumOf(config);
}

/** Hosts that may be given VMs: they answer, HA is on, nobody works on them, and they run what is theirs. */
export const survivorsOf = (state: PoolState, now: Instant): readonly string[] => [
  ...(state.durable.flags.maintenance ? [] : [state.config.hostId]),
  ...others(state)
    .filter(([hostId, one]) => {
      const { body } = one;
      if (body === null || !inContact(state, one, now) || state.dead.includes(hostId)) return false;
      return body.ha === "on" && !body.maintenance && !body.fenced && body.intent === "none";
    })
    .map(([hostId]) => hostId),
];
