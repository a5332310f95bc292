// What follows from the state at an instant. Pure predicates, no opinions: the rules are in decide/.

import type { CoreConfig } from "./model/config.ts";
import type { DiskState, DrbdView } from "./model/drbd.ts";
import type { DurableRecord } from "./model/durable.ts";
import { valueOf } from "./model/observation.ts";
import type { State } from "./model/state.ts";
import type { Instant, Millis } from "./model/time.ts";
import { demands, inForce } from "./rules.ts";

export function view(state: State, resource: string): DrbdView | undefined {
  return valueOf(state.drbd)?.[resource];
}

/** What holds of every resource, and of at least one; a resource that was not seen is undefined. */
export function everyView(state: State, holds: (view: DrbdView | undefined) => boolean): boolean {
  for (const resource of state.config.resources) if (!holds(view(state, resource))) return false;
  return true;
}

export function someView(state: State, holds: (view: DrbdView | undefined) => boolean): boolean {
  return !everyView(state, (v) => !holds(v));
}

export const isOwner = (state: State): boolean => state.durable.owner === state.config.hostId;

export const peerOwns = (state: State): boolean => state.durable.owner === state.config.peerId;

/**
 * Resources that are Primary here with suspended writes although the other host owns them: by this host's record, or by that
 * host's word of a higher epoch that is not in the record yet (D11). Nobody was told that these writes are done.
 */
export function supersededWrites(state: State): readonly string[] {
  const { body } = state.peer;
  const newer = body !== null && body.owner === state.config.peerId && body.epoch > state.durable.epoch;
  if (!peerOwns(state) && !newer) return [];
  return state.config.resources.filter((resource) => {
    const seen = view(state, resource);
    return seen?.role === "Primary" && seen.suspended;
  });
}

/**
 * A record by which this host takes the storage is on its way to the disk, or may be there although its write failed: its
 * epoch is not free for the other host.
 */
export const mayHaveTaken = (state: State): boolean =>
  !isOwner(state) &&
  (state.persisting?.record.owner === state.config.hostId || (state.unsure ?? 0) > state.durable.epoch);

/** Every resource's copy of the peer is durably behind or barred. */
export const isSolo = (state: State): boolean =>
  state.config.resources.every((resource) => state.durable.solo[resource] === true);

/** The resource of which this host alone has the newest writes, by its record: the other copy was barred and not filled since. */
export const ahead = (state: State): string | undefined =>
  state.config.resources.find((resource) => {
    if (state.durable.solo[resource] !== true) return false;
    const v = view(state, resource);
    const filled = v?.connection === "Connected" && v.replication === "Established" && v.peerDisk === "UpToDate";
    return !filled || v.disk !== "UpToDate";
  });

/** Milliseconds since the last two-way contact; since the start of this daemon when there was none yet. */
export const silenceMs = (state: State, now: Instant): Millis => now - (state.peer.contactAt ?? state.startedAt);

export const inContact = (state: State, now: Instant): boolean =>
  state.peer.contactAt !== null && now - state.peer.contactAt < state.config.timers.suspect;

/**
 * A daemon that was restarted during an outage finds this host an owner that nobody can have replaced: under STRICT that
 * takes this host's power, and a kernel that holds every resource as Primary was not without it (after a boot all are
 * Secondary, D12). Under the other policies the time since the last contact decides, and no restarted daemon knows it.
 */
export const heldThroughout = (state: State): boolean =>
  state.peer.contactAt === null &&
  state.config.policy === "strict" &&
  isOwner(state) &&
  !isSolo(state) &&
  everyView(state, (v) => v?.role === "Primary");

/**
 * No word of the other host since this daemon started, and no proof of how long it was silent before: for such a daemon no
 * outage begins, so nothing but that word, or a person's, lets suspended I/O go on (D10).
 */
export const unheard = (state: State): boolean => state.peer.contactAt === null && !state.suspected;

/** DRBD has at least one established connection to the peer's kernel. */
export const drbdConnected = (state: State): boolean => someView(state, (v) => v?.connection === "Connected");

/** DRBD holds the writes of a resource back until it is told to go on. */
export const suspended = (state: State): boolean => someView(state, (v) => v?.suspended === true);

export const allConnected = (state: State): boolean => everyView(state, (v) => v?.connection === "Connected");

export const allInSync = (state: State): boolean =>
  everyView(
    state,
    (v) =>
      v?.connection === "Connected" &&
      v.replication === "Established" &&
      v.disk === "UpToDate" &&
      v.peerDisk === "UpToDate",
  );

/** protocol.md 2: since the last contact or, if later, since DRBD was last Connected. */
export const episodeMs = (state: State, now: Instant): Millis =>
  now - Math.max(state.peer.contactAt ?? state.startedAt, state.drbdConnectedAt ?? -Infinity);

/** How slow this host itself is, from its late ticks: 1 (well) to 3. */
function lagFactor(state: State, now: Instant): number {
  if (now - state.lag.at > 10_000) return 1;
  return Math.min(3, 1 + Math.floor(state.lag.ms / state.config.timers.lag) / 2);
}

/** A8: a slow host waits longer before it acts, but an owner's own limits never stretch. */
export const stretch = (state: State, now: Instant): number =>
  isOwner(state) && inForce(state.config, "A8") ? 1 : lagFactor(state, now);

export const deadAfterMs = (state: State, now: Instant): Millis => state.config.timers.dead * stretch(state, now);

export const takeAfterMs = (state: State, now: Instant): Millis => state.config.timers.take * stretch(state, now);

/** D7 waits are stretched on the owner too (A8): starting VMs late harms nobody. */
export const restartAfterMs = (state: State, now: Instant): Millis => state.config.timers.take * lagFactor(state, now);

export function leaseLeftMs(state: State, now: Instant): Millis {
  if (state.leaseFrom === null) return 0;
  const factor = inForce(state.config, "A8") ? 1 : lagFactor(state, now);
  return Math.max(0, state.leaseFrom + state.config.timers.lease * factor - now);
}

/** The newest vote sample passed and is not stale. */
export const votePasses = (state: State, now: Instant): boolean =>
  state.votes.lastOk === true &&
  state.votes.lastPassedAt !== null &&
  now - state.votes.lastPassedAt <= 3 * state.config.timers.sample;

/** Latched vote: every sample of this episode passed, and there was one. */
export const voteHeld = (state: State, now: Instant): boolean =>
  state.votes.latched && state.votes.runSince !== null && votePasses(state, now);

/** The witness granted the storage to this host and to no other, and was not told otherwise since. */
export const grantHeld = (state: State): boolean => state.witness.grantedAt !== null;

/** No sign of life of any kind during the last T_quiet, proven by a probe and not merely by hearing nothing. */
export function quiet(state: State, now: Instant): boolean {
  const { quiet: quietMs } = state.config.timers;
  if (state.peer.signAt !== null && now - state.peer.signAt < quietMs) return false;
  return state.probes.silentAt !== null && now - state.probes.silentAt < 2 * quietMs;
}

/** The proof of death that STRICT demands: power read back as off, or an operator's word (A19). */
export const provenOff = (state: State): boolean => state.fence.verifiedAt !== null || state.fence.confirmed;

export const serving = (state: State): boolean => {
  const target = valueOf(state.target);
  return (
    valueOf(state.vip) === "present" &&
    target !== undefined &&
    target.running &&
    target.filled &&
    target.portalOpen &&
    everyView(state, (v) => v !== undefined && v.role === "Primary" && !v.suspended)
  );
};

/** Of these the ones that restart elsewhere when their host is lost; VMs that are not protected are left alone. */
export const protectedOf = (state: State, domains: readonly string[]): readonly string[] =>
  state.unprotected.length === 0 ? domains : domains.filter((uuid) => !state.unprotected.includes(uuid));

/** Everything this host must have seen before it may decide about storage (D12: JOINING until then). */
export const looked = (state: State): boolean =>
  state.drbd.kind === "known" && state.target.kind === "known" && state.vip.kind === "known";

/** D1: a mode holds from the moment its record is written, which may be on the disk before anybody is told. */
const modes = ({ durable, persisting }: State): readonly DurableRecord[] =>
  persisting === null ? [durable] : [durable, persisting.record];

/** D1, A20: may storage move by itself? Undefined when it may, else the reason. */
export function moveForbidden(state: State): string | undefined {
  const { config } = state;
  for (const { flags, peerFlags } of modes(state)) {
    if (!demands(config, "D1", !flags.manual)) return "this host is in manual mode";
    if (!demands(config, "D1", !peerFlags.manual)) return "the other host is in manual mode";
    if (!demands(config, "D1", !flags.maintenance)) return "this host is in maintenance";
  }
  return undefined;
}

/** D1, A20: may this host act on the loss of the other one (fence it, restart its VMs)? Manual mode is about storage. */
export function hostLossForbidden(state: State): string | undefined {
  const { config } = state;
  for (const { ha, peerHa, flags, peerFlags } of modes(state)) {
    if (!demands(config, "D1", ha === "on")) return `HA is ${ha} on this host`;
    if (!demands(config, "D1", peerHa === "on")) return `HA was ${peerHa} on the other host when last heard`;
    if (!demands(config, "D1", !flags.maintenance)) return "this host is in maintenance";
    if (!demands(config, "D1", !peerFlags.maintenance)) return "the other host is in maintenance";
  }
  if (config.disarmed !== undefined) return config.disarmed;
  if (!config.fenceEnabled) return "FENCE_ENABLED is 0";
  if (config.hosts < config.minHosts)
    return `FENCE_MIN_HOSTS is ${config.minHosts}, the pool has ${config.hosts} hosts`;
  if (!demands(config, "D1", state.peer.body === null || state.peer.body.cfgHash === config.cfgHash))
    return "the two hosts have different configurations (timers, policy or heuristics)";
  return paused(state);
}

/**
 * FENCE_ENABLED is 0, and the other host last showed the same configuration (I-f): neither acts on the loss of the other
 * one, so there is nothing to prove and nobody to make room for. A host that heard another configuration does not act either.
 */
export const ignoresHostLoss = ({ config, peer }: State): boolean =>
  !config.fenceEnabled && (peer.body === null || peer.body.cfgHash === config.cfgHash);

/** A7: while a daemon is stopped in an orderly way nobody acts for its host, and it does not act for the other one. */
export function paused(state: State): string | undefined {
  if (!inForce(state.config, "A7")) return undefined;
  if (state.stopping?.phase === "resuming")
    return "this daemon was exchanged, and the other host is not heard yet (A7)";
  if (state.stopping?.intent === "paused") return "this daemon is about to stop for an upgrade (A7)";
  if (state.peer.body?.intent === "paused" && !state.fence.confirmed)
    return "the other host's daemon was stopped in an orderly way, and its watchdog is not armed again (A7)";
  return undefined;
}

/** D1, A20: may this host take the storage over without contact? */
export const takeoverForbidden = (state: State): string | undefined =>
  hostLossForbidden(state) ??
  moveForbidden(state) ??
  (state.stopping === null ? undefined : "this host is about to leave");

/** May this disk be promoted? From `Consistent` never: DRBD does not know whether it is the newest (D12). */
export const promotable = (config: CoreConfig, disk: DiskState): boolean =>
  disk === "UpToDate" || (disk === "Consistent" && !inForce(config, "D12"));

/** V4: may this host be promoted again where it was demoted, or is being so? Without a disk DRBD serves through the other one's. */
export const keepsDisks = (state: State): boolean =>
  state.config.resources.every((resource) => view(state, resource)?.disk === "UpToDate");

/** D6, D12, A2, A16: is this copy known to hold every acknowledged write? Undefined when it is, else the reason. */
export function notEligible(state: State, now: Instant): string | undefined {
  const { config, durable } = state;
  for (const resource of inForce(config, "A16") ? config.resources : config.resources.slice(0, 1)) {
    const v = view(state, resource);
    if (v === undefined) return `the state of ${resource} is unknown`;
    if (!promotable(config, v.disk)) return `the disk of ${resource} is ${v.disk}`;
  }
  if (isOwner(state) && isSolo(state)) return undefined;
  if (!demands(config, "D12", state.syncedEpoch !== null))
    return "this copy was not confirmed in sync by the owner since this host started";
  if (!demands(config, "A2", state.syncedEpoch === null || state.syncedEpoch === durable.epoch))
    return "this copy was not confirmed in sync by the owner of this epoch";
  const needsVote = config.policy === "vote" || config.policy === "strict+vote";
  if (needsVote && !inContact(state, now) && !demands(config, "D6", voteHeld(state, now)))
    return "this host lost the vote of the heuristic addresses during the outage";
  return undefined;
}

/**
 * A13: the peer said that it leaves, and its digest shows that it gave everything back: it is neither fenced nor missed
 * until that word is too old.
 */
export function leftCleanly(state: State, now: Instant): boolean {
  const { body, heardAt } = state.peer;
  if (body?.intent !== "leaving") return false;
  if (!inForce(state.config, "A13")) return true;
  const released = body.owner !== state.config.peerId && protectedOf(state, body.domains).length === 0;
  return released && heardAt !== null && now - heardAt < state.config.timers.leave;
}
