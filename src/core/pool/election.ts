// A pool without storage of ours elects its leader (protocol.md 14): any eligible host may ask, the voters serialise. One
// vote per host and epoch, durable before it counts; nobody votes against a leader it heard less than T_take ago.

import { valueOf } from "../model/observation.ts";
import type { Instant } from "../model/time.ts";
import { demands } from "../rules.ts";
import { authorityMs, elects, inContact, leaderOf, leads, majorityOf, mayLead, others } from "./facts.ts";
import type { PoolState } from "./model.ts";
import { change, log, type PoolTurn } from "./turn.ts";

export function trackLeadership(turn: PoolTurn): void {
  const { state, now } = turn;
  const { config } = state;
  const has = elects(config) ? elected(state, now) : authorityMs(state, now) !== null;
  if (has && state.leadsSince === null) {
    change(turn, { leadsSince: now, standsSince: null, settled: true, urgent: true });
    log(turn, "state.changed", `this host leads the pool in epoch ${state.durable.epoch}`);
  }
  if (!has && state.leadsSince !== null) {
    log(turn, "state.changed", "this host does not lead the pool any more", "warn");
    change(turn, endLead(state));
  }
}

/** What a leader began it leaves to the next one; whom this host bars stays barred until a leader says otherwise. */
export const endLead = (state: PoolState): Partial<PoolState> => ({
  leadsSince: null,
  promotion: null,
  supporters: null,
  neighbours: Object.fromEntries(
    others(state).map(([hostId, one]) => [
      hostId,
      {
        ...one,
        followAt: null,
        barSince: null,
        quorumAt: null,
        recovery: null,
        told: false,
        fence: { ...one.fence, attempts: 0 },
      },
    ]),
  ),
});

function elected(state: PoolState, now: Instant): boolean {
  if (state.durable.owner !== state.config.hostId) return false;
  if (state.leadsSince !== null) return authorityMs(state, now) !== null;
  const votes = others(state).filter(
    ([, one]) => one.followAt !== null && now - one.followAt < state.config.timers.lease,
  );
  return state.standsSince !== null && votes.length + 1 >= majorityOf(state.config);
}

export function vote(turn: PoolTurn): void {
  const { state, now } = turn;
  if (!elects(state.config) || state.persisting !== null || state.follow !== null) return;
  const wish = others(state)
    .flatMap(([hostId, one]) => {
      const { body } = one;
      const asks = body !== null && body.leader === hostId && inContact(state, one, now);
      return asks && body.epoch > state.durable.epoch ? [{ hostId, epoch: body.epoch }] : [];
    })
    .toSorted((a, b) => b.epoch - a.epoch || (a.hostId < b.hostId ? -1 : 1))[0];
  if (wish === undefined || voteRefusal(state, wish.hostId, now) !== undefined) return;
  change(turn, { follow: { epoch: wish.epoch, owner: wish.hostId, ha: state.durable.ha }, standsSince: null });
}

/** Why this host does not vote for that one now; undefined = it does. */
export function voteRefusal(state: PoolState, candidateId: string, now: Instant): string | undefined {
  const { durable, config, neighbours } = state;
  const incumbent = durable.owner;
  if (incumbent === null || incumbent === candidateId) return undefined;
  const isMaster = neighbours[candidateId]?.body?.xapi === "master";
  if (incumbent === config.hostId) {
    if (!leads(state, now)) return undefined;
    // The administrator moved the master role: the leader lets go.
    return isMaster && valueOf(state.xapi)?.role === "supporter" ? undefined : "this host leads";
  }
  const leader = neighbours[incumbent];
  if (leader?.body?.leader === candidateId) return undefined;
  const { take } = config.timers;
  // It asked, did not get enough votes, and says so.
  const failed = leader?.body?.epoch === durable.epoch && leader.authorityAt === null;
  if (failed && now - state.votedAt >= take) return undefined;
  const heardAt = leader?.heardAt ?? state.startedAt;
  return demands(config, "D6", now - heardAt >= take) ? undefined : `${incumbent} was heard less than ${take} ms ago`;
}

/** Hosts that may lead and answer, the winner first: who has the master role already, else the lowest UUID. */
export function candidates(state: PoolState, now: Instant): readonly string[] {
  return others(state)
    .flatMap(([hostId, one]) => {
      const { body } = one;
      if (body === null || !body.mayLead || !inContact(state, one, now)) return [];
      return [{ hostId, isMaster: body.xapi === "master" }];
    })
    .toSorted((a, b) => Number(b.isMaster) - Number(a.isMaster) || (a.hostId < b.hostId ? -1 : 1))
    .map(({ hostId }) => hostId);
}

export function stand(turn: PoolTurn): void {
  const { state, now } = turn;
  if (!elects(state.config)) return;
  const epochs = others(state).map(([, one]) => (inContact(state, one, now) ? (one.body?.epoch ?? 0) : 0));
  const newest = Math.max(state.durable.epoch, ...epochs);
  // Hosts that voted in a later epoch, without enough of them, follow nobody of an earlier one.
  const overtaken = leads(state, now) && newest > state.durable.epoch;
  if (overtaken && state.persisting === null)
    return change(turn, { follow: { epoch: newest + 1, owner: state.config.hostId, ha: state.durable.ha } });
  if (state.standsSince !== null) {
    // Others had more votes, or nobody enough: the next try is a later epoch.
    if (now - state.standsSince < state.config.timers.dead) return;
    return change(turn, { standsSince: null, standAt: now + (1 + rank(state, now)) * state.config.timers.dead });
  }
  // Its own vote is on disk and nobody leads: it asks for the others'. Once: whoever was asked and saw it fail, or saw its lead
  // end, may have voted for another by now (protocol.md 14).
  if (state.freshVote && state.follow === null && state.persisting === null) {
    if (now >= state.standAt && standRefusal(state, now) === undefined)
      change(turn, { standsSince: now, freshVote: false, urgent: true });
    return;
  }
  if (state.leadsSince !== null) return;
  if (state.persisting !== null || state.follow !== null || now < state.standAt) return;
  if (standRefusal(state, now) !== undefined) return;
  const epoch = newest + 1;
  log(turn, "state.changed", `this host stands for the lead of the pool in epoch ${epoch}`);
  change(turn, { follow: { epoch, owner: state.config.hostId, ha: state.durable.ha } });
}

/** How many of the hosts that may lead and answer come before this one. */
const rank = (state: PoolState, now: Instant): number =>
  candidates(state, now).filter((id) => id < state.config.hostId).length;

/** Why this host does not ask for the lead now; undefined = it does. */
export function standRefusal(state: PoolState, now: Instant): string | undefined {
  const { config, durable } = state;
  const near = others(state).filter(([, one]) => inContact(state, one, now)).length + 1;
  if (near < majorityOf(config)) return `only ${near} of ${config.hosts.length} hosts answer`;
  const leader = leaderOf(state, now);
  const isMaster = valueOf(state.xapi)?.role === "master";
  if (isMaster && state.departure === null) {
    // The toolstack's master leads: at the first start, and when an administrator moved the role.
    if (leader === undefined) return undefined;
    return leader.body?.xapi === "supporter" && inContact(state, leader, now) ? undefined : "another host leads";
  }
  // Where everybody was cut off from everybody, one that stands still must lead, or nobody ever does.
  const last = candidates(state, now).length === 0;
  if (!mayLead(last ? { ...state, softFenced: false } : state))
    return "this host may not lead (HA off, PROMOTE_SLAVE=0, maintenance, or it was cut off)";
  if (leader !== undefined) return "another host leads";
  if (others(state).some(([, one]) => one.body?.xapi === "master" && inContact(state, one, now)))
    return "the host with the master role answers";
  // Nobody here voted for another one since this host led or stood.
  if (durable.owner === config.hostId) return undefined;
  if (durable.owner === null) return "nobody has led yet: the host with the master role begins";
  const { take, dead } = config.timers;
  const refusal = voteRefusal(state, config.hostId, now);
  if (refusal !== undefined) return refusal;
  const lost = state.neighbours[durable.owner]?.heardAt ?? state.startedAt;
  const waitMs = take + rank(state, now) * dead;
  return now - lost >= waitMs
    ? undefined
    : `the winner among those who answer is ${candidates(state, now)[0] ?? "another"}`;
}
