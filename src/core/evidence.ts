// What each channel to the other host says during an outage, for the record of an episode. Pure; decides nothing.

import { valueOf } from "./model/observation.ts";
import type { Link } from "./model/peer.ts";
import type { State } from "./model/state.ts";
import type { Instant } from "./model/time.ts";
import { seconds } from "./view.ts";

export type Channel = "management" | "replication" | "drbd" | "signs" | "vote" | "witness" | "device";

export interface Evidence {
  readonly channel: Channel;
  /** A clause for people, without a full stop. */
  readonly found: string;
}

const LINKS: readonly Link[] = ["management", "replication"];
const ago = (at: Instant, now: Instant): string => `${seconds(now - at)} ago`;

export function evidence(state: State, now: Instant): readonly Evidence[] {
  return [
    ...LINKS.map((link) => ofLink(state, link, now)),
    ofDrbd(state),
    ofSigns(state, now),
    ...ofJudges(state, now),
  ];
}

function ofLink({ peer }: State, link: Link, now: Instant): Evidence {
  const [both, heard] = [peer.linkContactAt[link], peer.linkHeardAt[link]];
  if (heard === null) return { channel: link, found: "no heartbeat since this daemon started" };
  const last = `last heartbeat ${ago(heard, now)}`;
  if (both === null) return { channel: link, found: `${last}, never an echo of this host's` };
  // The peer beats, and what it says does not show that it hears this host.
  const oneWay = heard - both > 1_000;
  return { channel: link, found: oneWay ? `${last}, but it hears this host no more since ${ago(both, now)}` : last };
}

function ofDrbd({ drbd, config }: State): Evidence {
  const views = valueOf(drbd);
  if (views === undefined)
    return { channel: "drbd", found: `not known: ${drbd.kind === "unknown" ? drbd.reason : ""}` };
  const found = config.resources.map((name) => {
    const view = views[name];
    if (view === undefined) return `${name} is not up`;
    const held = view.suspended ? ", writes held back" : "";
    return `${name} ${view.connection}, ${view.role}/${view.peerRole} ${view.disk}/${view.peerDisk}${held}`;
  });
  return { channel: "drbd", found: found.join("; ") };
}

function ofSigns({ probes, peer }: State, now: Instant): Evidence {
  const channel = "signs";
  if (probes.conflictMac !== null) return { channel, found: `${probes.conflictMac} answers for the floating IP` };
  if (probes.silentAt !== null && probes.silentAt >= (peer.signAt ?? -Infinity))
    return { channel, found: `ping of the other host and ARP for the floating IP silent ${ago(probes.silentAt, now)}` };
  if (peer.signAt !== null) return { channel, found: `last sign of life ${ago(peer.signAt, now)}` };
  return { channel, found: "not asked yet" };
}

/** The vote, the witness or the fence device: whatever the policy asks. */
function ofJudges(state: State, now: Instant): readonly Evidence[] {
  const { policy, quorumRequired } = state.config;
  const judges: Evidence[] = [];
  if (policy === "witness") judges.push({ channel: "witness", found: ofWitness(state, now) });
  else if (policy !== "strict" || quorumRequired) judges.push({ channel: "vote", found: ofVote(state, now) });
  if (policy === "strict" || policy === "strict+vote") judges.push({ channel: "device", found: ofDevice(state, now) });
  return judges;
}

function ofVote({ votes }: State, now: Instant): string {
  if (votes.lastOk === null) return "no sample yet";
  const newest = votes.lastOk ? "the newest sample passed" : "the newest sample failed";
  if (!votes.latched || votes.runSince === null) return `lost for this episode; ${newest}`;
  return `every sample passed for ${seconds(now - votes.runSince)}`;
}

function ofWitness({ witness }: State, now: Instant): string {
  if (witness.grantedAt !== null) return `granted the storage to this host ${ago(witness.grantedAt, now)}`;
  if (witness.refusal !== null) return `refused: ${witness.refusal}`;
  if (witness.askedAt === null) return "not asked yet";
  const answered = witness.answers.filter((answer) => answer !== null).length;
  return `${answered} of ${witness.answers.length} answered ${ago(witness.askedAt, now)}; nothing granted`;
}

function ofDevice({ fence }: State, now: Instant): string {
  if (fence.verifiedAt !== null) return `proved ${ago(fence.verifiedAt, now)} that the other host is off`;
  if (fence.confirmed) return "an operator confirmed that the other host is off";
  if (fence.pending !== null) return "switching the other host off";
  if (fence.lastFailure !== null) return `failed: ${fence.lastFailure}`;
  if (fence.offAt !== null) return `calls the other host off ${ago(fence.offAt, now)}`;
  return "not asked yet";
}
