// What follows from the state at an instant. Pure predicates, no opinions.

import { valueOf } from "../model/observation.ts";
import type { Instant, Millis } from "../model/time.ts";
import { demands, inForce } from "../rules.ts";
import type { Neighbour, PoolConfig, PoolState } from "./model.ts";

/** Members report this often: a quarter of T_dead, so that three lost packets in a row are no silence (I-a). */
export const reportMs = (config: PoolConfig): Millis => config.timers.dead / 4;

/** No contact for this long: the host asks everybody. */
export const suspectMs = (config: PoolConfig): Millis => 2 * reportMs(config);

/** More than half of all hosts: who has so many behind it, this host included, has nobody against it who has as many. */
export const majorityOf = (config: PoolConfig): number => Math.floor(config.hosts.length / 2) + 1;

/** So many hosts that no majority is left without one of them: a host that they bar can have no majority behind it. */
export const barQuorumOf = (config: PoolConfig): number => config.hosts.length - majorityOf(config) + 1;

export const elects = (config: PoolConfig): boolean => config.storageHosts.length === 0;

export const isStorageHost = (config: PoolConfig): boolean => config.storageHosts.includes(config.hostId);

export const others = (state: PoolState): readonly (readonly [string, Neighbour])[] => Object.entries(state.neighbours);

/** Hosts this one watches while it leads: the other storage host is the business of the pair's own rules. */
export const watched = (state: PoolState): readonly (readonly [string, Neighbour])[] =>
  others(state).filter(([hostId]) => !(isStorageHost(state.config) && state.config.storageHosts.includes(hostId)));

/** The instant until which at least `count` hosts, this one included, are known to have said yes; undefined: never. */
function since(now: Instant, said: readonly (Instant | null)[], count: number): Instant | undefined {
  if (count <= 1) return now;
  return said.filter((at) => at !== null).toSorted((a, b) => b - a)[count - 2];
}

/** Since when a majority stands behind this host as one of the living; this host itself always does. */
export const supportedAt = (state: PoolState, now: Instant): Instant | undefined =>
  since(
    now,
    others(state).map(([, one]) => one.supportAt),
    majorityOf(state.config),
  );

/** The same for its leadership, in a pool that elects. */
const followedAt = (state: PoolState, now: Instant): Instant | undefined =>
  since(
    now,
    others(state).map(([, one]) => one.followAt),
    majorityOf(state.config),
  );

/**
 * How old the newest proof is that this host leads the pool and nobody else does; null: it does not lead. With storage of
 * ours the owner leads, and the pair's protocol is the proof (A11); without it a majority that voted in this epoch.
 */
export function authorityMs(state: PoolState, now: Instant): Millis | null {
  if (!elects(state.config)) return state.pair?.authority === true ? 0 : null;
  if (state.leadsSince === null) return null;
  const at = followedAt(state, now);
  return at !== undefined && now - at < state.config.timers.lease ? now - at : null;
}

export const leads = (state: PoolState, now: Instant): boolean =>
  state.leadsSince !== null && authorityMs(state, now) !== null;

/** Two majorities have a host in common, so this leader knows of every death that an earlier one acted on. */
export function informed(state: PoolState): boolean {
  const { leadsSince } = state;
  if (leadsSince === null) return false;
  const majority = majorityOf(state.config);
  let heard = 1;
  for (const { contactAt } of Object.values(state.neighbours)) {
    if (contactAt !== null && contactAt >= leadsSince) heard += 1;
    // Asked with every answer of a leader: the rest of a large pool changes nothing.
    if (heard >= majority) return true;
  }
  return heard >= majority;
}

/** The host whose word as the leader holds here at this instant, newest epoch first. */
export function leaderOf(state: PoolState, now: Instant): Neighbour | undefined {
  const { lease } = state.config.timers;
  return others(state)
    .map(([, one]) => one)
    .filter((one) => one.authorityAt !== null && now - one.authorityAt < lease)
    .toSorted((a, b) => (b.body?.epoch ?? 0) - (a.body?.epoch ?? 0))[0];
}

/** Counted from the last contact, from this host's start, or from its waking up: a stall of mine is no silence (D10). */
export const silenceMs = (state: PoolState, one: Neighbour, now: Instant): Millis =>
  now - Math.max(one.contactAt ?? state.startedAt, state.startedAt, inForce(state.config, "D10") ? state.awakeAt : 0);

export const inContact = (state: PoolState, one: Neighbour, now: Instant): boolean =>
  one.contactAt !== null && now - one.contactAt < suspectMs(state.config);

/** Nothing at all was heard of it lately, not even in one direction. */
export const quiet = (state: PoolState, one: Neighbour, now: Instant): boolean =>
  one.heardAt === null || now - one.heardAt >= state.config.timers.dead;

/** A restarted voter may have forgotten whom it barred: it stands behind nobody before a leader told it (A17). */
export const supports = (state: PoolState, hostId: string): boolean =>
  demands(state.config, "A17", state.settled) && !state.bars.includes(hostId) && !state.dead.includes(hostId);

/** Hosts that bar this one, or can no longer stand behind it. The leader counts itself. */
export function barring(state: PoolState, hostId: string): number {
  const { config, bars, pair } = state;
  const voters = others(state).filter(([voterId, voter]) => {
    if (voterId === hostId) return false;
    if (provenOff(voter)) return true;
    if (pair?.peerOff === true && isStorageHost(config) && config.storageHosts.includes(voterId)) return true;
    return voter.body?.barred.includes(hostId) === true;
  });
  return voters.length + (bars.includes(hostId) ? 1 : 0);
}

/** The power was read back as off, or a person said so (A19). */
export const provenOff = (one: Neighbour): boolean => one.fence.verifiedAt !== null || one.fence.confirmed;

/** May time and votes prove a death? Under STRICT only a power state does, and then nobody has to stop by itself (D8). */
export const provesByTime = (config: PoolConfig): boolean => config.policy !== "strict";

export const hasFenceDevice = (config: PoolConfig): boolean =>
  config.policy === "strict" || config.policy === "strict+vote";

/** D1, A20: may this host act on the loss of that one? Undefined when it may, else the reason. */
export function lossForbidden(state: PoolState, one: Neighbour, now: Instant): string | undefined {
  const { config, durable } = state;
  if (!leads(state, now)) return "this host does not lead the pool";
  if (!demands(config, "D1", durable.ha === "on")) return `HA is ${durable.ha}`;
  if (config.disarmed !== undefined) return config.disarmed;
  if (!config.fenceEnabled) return "FENCE_ENABLED is 0";
  if (config.hosts.length < config.minHosts)
    return `FENCE_MIN_HOSTS is ${config.minHosts}, the pool has ${config.hosts.length} hosts`;
  if (!demands(config, "D1", !durable.flags.maintenance)) return "this host is in maintenance";
  const { body } = one;
  if (body === null) return undefined;
  if (!demands(config, "D1", !body.maintenance)) return "that host is in maintenance";
  if (!demands(config, "D1", body.ha === "on")) return `HA was ${body.ha} on that host when last heard`;
  if (!demands(config, "D1", body.cfgHash === config.cfgHash)) return "that host has another configuration";
  if (one.fence.confirmed) return undefined;
  if (body.intent === "paused" && inForce(config, "A7")) return "its daemon was stopped in an orderly way (A7)";
  const left = body.intent === "leaving" && body.domains?.length === 0;
  if (left && inForce(config, "A13") && silenceMs(state, one, now) < config.timers.leave)
    return "it announced that it leaves and gave everything back (A13)";
  return undefined;
}

/** D7: why the VMs of that host are not started elsewhere now; undefined = they may be. Asked again before each start. */
export function restartRefusal(state: PoolState, hostId: string, now: Instant): string | undefined {
  const one = state.neighbours[hostId];
  if (one === undefined) return "no such host in the pool";
  if (!state.config.mayRestart) return "SLAVE_HA is 0 on this host";
  const forbidden = lossForbidden(state, one, now);
  if (forbidden !== undefined) return forbidden;
  if (valueOf(state.xapi)?.role !== "master") return "this host's toolstack is not the pool's master";
  // Once begun the proof cannot become untrue: none of that host's domains runs on before a leader readmits it.
  if (one.recovery !== null && state.dead.includes(hostId)) return undefined;
  if (inContact(state, one, now)) return "it answers";
  return deathDoubt(state, one, now);
}

/** Why that host is not yet proven dead; undefined = it is, by power or by votes and time. */
export function deathDoubt(state: PoolState, one: Neighbour, now: Instant): string | undefined {
  const { config } = state;
  if (provenOff(one)) return undefined;
  if (!provesByTime(config)) return demands(config, "D7", false) ? undefined : "it is not proven to be without power";
  if (one.quorumAt === null)
    return demands(config, "D7", false)
      ? undefined
      : `fewer than ${barQuorumOf(config)} of ${config.hosts.length} hosts say that it is silent`;
  // What time proves is that it stopped itself, or that its watchdog did.
  if (one.body?.watchdogArmed !== true)
    return "whether its watchdog was armed is not known here: confirm that it is off";
  const waited = now - one.quorumAt;
  const left = config.timers.take - waited;
  if (!demands(config, "D7", left <= 0)) return `its lease and watchdog run for another ${Math.ceil(left / 1000)} s`;
  return demands(config, "D7", quiet(state, one, now)) ? undefined : "something of it was heard just now";
}

/** D8: nobody keeps this host's VMs alive any more, and another one may start them. */
export function endangered(state: PoolState, now: Instant): boolean {
  const { config, durable, leaseFrom, startedAt } = state;
  if (isStorageHost(config) || durable.ha === "off" || !provesByTime(config) || !config.fenceEnabled) return false;
  if (!inForce(config, "D8")) return false;
  if (leaseFrom === null) return now - startedAt >= suspectMs(config);
  return now - leaseFrom >= config.timers.lease;
}

/** Does nothing of this host's VMs execute? */
export const standsStill = (state: PoolState): boolean => valueOf(state.domains)?.every((d) => d.paused) === true;

/** Could this host lead a pool that elects its leader? */
export const mayLead = (state: PoolState): boolean =>
  state.config.mayLead &&
  state.config.disarmed === undefined &&
  state.durable.ha === "on" &&
  !state.durable.flags.maintenance &&
  !state.softFenced &&
  state.departure === null;
