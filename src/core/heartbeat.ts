// The body of the next heartbeat: what this host says of itself. A pure function of the state.

import { inContact, isSolo, looked, notEligible, serving, view, votePasses } from "./facts.ts";
import type { DrbdView } from "./model/drbd.ts";
import { valueOf } from "./model/observation.ts";
import type { HeartbeatBody, ResourceSummary } from "./model/peer.ts";
import type { State } from "./model/state.ts";
import type { Instant } from "./model/time.ts";

const parted = ({ outOfSyncKiB, lastWriteWallMs }: DrbdView): Partial<ResourceSummary> => ({
  ...(outOfSyncKiB === null ? {} : { outOfSyncKiB }),
  ...(lastWriteWallMs === undefined ? {} : { lastWriteWallMs }),
});

/**
 * A commit that is on its way to the disk, or failed on it, may be found there after a crash: from then on the peer must
 * not count itself in sync with this owner (A2).
 */
const barred = ({ durable, persisting, solo }: State, resource: string): boolean =>
  durable.solo[resource] === true ||
  persisting?.record.solo[resource] === true ||
  (solo?.phase === "persisting" && solo.resources.includes(resource));

export function heartbeatOf(state: State, now: Instant): HeartbeatBody {
  const resources: Record<string, ResourceSummary> = {};
  for (const resource of state.config.resources) {
    const v = view(state, resource);
    if (v === undefined) continue;
    resources[resource] = {
      role: v.role,
      disk: v.disk,
      peerDisk: v.peerDisk,
      solo: barred(state, resource),
      generation: v.generation,
      ...(v.connection === "StandAlone" ? parted(v) : {}),
    };
  }
  const { durable, config } = state;
  return {
    hostId: config.hostId,
    bootId: state.bootId,
    incarnation: state.incarnation,
    epoch: durable.epoch,
    owner: durable.owner,
    ha: durable.ha,
    flags: durable.flags,
    cfgHash: config.cfgHash,
    serving: serving(state),
    busy:
      state.activity !== null ||
      state.claim !== null ||
      state.handover !== null ||
      state.recovery?.phase === "running" ||
      state.isolated?.phase === "starting",
    joined: looked(state),
    resources,
    vote: inContact(state, now) || votePasses(state, now),
    eligible: notEligible(state, now) === undefined || (inContact(state, now) && isSolo(state)),
    watchdogArmed: state.watchdogArmed,
    intent:
      state.stopping?.intent ??
      (state.activity?.kind === "release" || state.handover !== null || state.yieldsUntil !== null
        ? "releasing"
        : state.fence.pending !== null
          ? "fencing"
          : "none"),
    management: state.management,
    domains: (valueOf(state.domains) ?? []).map((d) => d.uuid).toSorted(),
    xapi: valueOf(state.xapi)?.role ?? "unknown",
    ...(vacated(state) ? { vacated: true } : {}),
  };
}

/** `domains` above cannot tell an empty list from one that could not be read. */
const vacated = ({ stopping, domains }: State): boolean =>
  stopping?.intent === "leaving" && stopping.phase === "agreed" && valueOf(domains)?.length === 0;
