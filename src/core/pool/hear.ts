// One beat of another host: what it proves, and what it asks of this one.

import type { Instant } from "../model/time.ts";
import { inContact, isStorageHost, leads, provenOff, suspectMs } from "./facts.ts";
import type { HeardBeat, MemberBeat, Neighbour, PoolState } from "./model.ts";
import { change, changeHost, type PoolTurn } from "./turn.ts";

const newest = (a: Instant | null, b: Instant | null): Instant | null => (a === null || (b !== null && b > a) ? b : a);

export function hearBeat(turn: PoolTurn, heard: HeardBeat): void {
  const { body, echoSentAt, receivedAt } = heard;
  const from = body.hostId;
  const before = turn.state.neighbours[from];
  if (before === undefined) return;
  const { config, durable } = turn.state;
  const at = (condition: boolean): Instant | null => (condition ? echoSentAt : null);
  const proven = echoSentAt !== null && receivedAt - echoSentAt < config.timers.dead;
  const follows = body.leader === config.hostId && body.epoch === durable.epoch;
  const authorityAt = echoSentAt !== null && body.authorityMs !== null ? echoSentAt - body.authorityMs : null;
  changeHost(turn, from, {
    body,
    heardAt: receivedAt,
    // Whoever speaks has power: a proof from before says nothing any more.
    fence: provenOff(before) ? { ...before.fence, verifiedAt: null, confirmed: false } : before.fence,
    contactAt: proven ? receivedAt : before.contactAt,
    answeredAt: newest(before.answeredAt, echoSentAt),
    supportAt: newest(before.supportAt, at(body.supports)),
    followAt: newest(before.followAt, at(follows)),
    // Who says that it does not lead is no leader any more, whatever it proved before.
    authorityAt: body.authorityMs === null ? null : newest(before.authorityAt, authorityAt),
  });
  const { state } = turn;
  if (isLeader(state, from, receivedAt)) obey(turn, from, body);
  else if (leads(state, receivedAt) && proven) collect(turn, before, body);
}

/** Apart from whether an answer is asked for. */
export function saysTheSame(before: MemberBeat, after: MemberBeat): boolean {
  const words = Object.keys(after) as (keyof MemberBeat)[];
  return words.every((word) => word === "asks" || equal(before[word], after[word]));
}

function equal(before: MemberBeat[keyof MemberBeat], after: MemberBeat[keyof MemberBeat]): boolean {
  if (before === after) return true;
  if (typeof before !== "object" || typeof after !== "object" || before === null || after === null) return false;
  return before.length === after.length && before.every((one, i) => one === after[i]);
}

/** Its proof is fresh, and nobody proved to lead in a later epoch. */
function isLeader(state: PoolState, hostId: string, now: Instant): boolean {
  const one = state.neighbours[hostId];
  if (one?.authorityAt === null || one?.authorityAt === undefined || one.body === null) return false;
  const { epoch } = one.body;
  if (now - one.authorityAt >= state.config.timers.lease || epoch < state.durable.epoch) return false;
  return Object.values(state.neighbours).every(
    (other) => other.authorityAt === null || other.body === null || other.body.epoch <= epoch,
  );
}

/** Whom the leader wants barred is barred, unless this host hears it, or knows that its daemon was stopped in order (A7). */
function obey(turn: PoolTurn, leaderId: string, body: MemberBeat): void {
  const { state, now } = turn;
  const { hostId } = state.config;
  const bars = body.barred.filter((id) => {
    if (state.bars.includes(id)) return true;
    const one = state.neighbours[id];
    if (id === hostId || one === undefined) return false;
    return !heardLately(state, one, now) && one.body?.intent !== "paused";
  });
  const dead = body.informed ? body.dead : [...new Set([...state.dead, ...body.dead])];
  // The leader waits for this answer.
  const isNews = bars.length !== state.bars.length || dead.length !== state.dead.length;
  change(turn, { settled: true, bars, dead, ...(isNews ? { beatAt: null } : {}) });
  if (isStorageHost(state.config)) return;
  // `leaving` is the pair's business: a host on its way out of HA keeps its watchdog until the leader is out of it (A4).
  const ha = body.ha === "leaving" ? turn.state.durable.ha : body.ha;
  const { epoch } = body;
  const { durable } = turn.state;
  if (ha !== durable.ha || epoch !== durable.epoch || durable.owner !== leaderId)
    change(turn, { follow: { epoch, owner: leaderId, ha } });
}

const heardLately = (state: PoolState, one: Neighbour, now: Instant): boolean =>
  inContact(state, one, now) || (one.heardAt !== null && now - one.heardAt < suspectMs(state.config));

/** A new leader learns from each voter once which deaths an earlier leader acted on. */
function collect(turn: PoolTurn, before: Neighbour, body: MemberBeat): void {
  const { state } = turn;
  if (before.contactAt !== null && state.leadsSince !== null && before.contactAt >= state.leadsSince) return;
  const known = body.dead.filter((id) => !state.dead.includes(id));
  if (known.length > 0) change(turn, { dead: [...state.dead, ...known], urgent: true });
}
