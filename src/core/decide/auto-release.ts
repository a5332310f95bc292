// D17, D18: the owner gives the storage away by itself while both hosts talk: because the pool master moved, or because it
// cannot serve well any more. A planned release like an operator's; never a takeover.

import { hostLossForbidden, inContact, isOwner, moveForbidden, someView } from "../facts.ts";
import { valueOf } from "../model/observation.ts";
import type { ReleaseCause, State } from "../model/state.ts";
import type { Instant } from "../model/time.ts";
import { inForce } from "../rules.ts";
import { alert, change, log, type Turn } from "../turn.ts";
import { begin } from "./begin.ts";
import { flapRefusal } from "./flap.ts";
import { releaseRefusal } from "./ownership.ts";

const DEATHS = 3;
const DEATHS_WINDOW_MS = 300_000;

const WHY: Record<ReleaseCause, string> = {
  management: "the management network of this host is gone and the other host has its own",
  target: `the target crashed ${DEATHS} times within five minutes`,
  disk: "the disk under the storage failed",
  toolstack: "the toolstack of this host does not come back",
};

/** What is wrong with this host, whoever owns the storage; the gravest first. */
export const lastingCauses = (state: State, now: Instant): readonly ReleaseCause[] =>
  CAUSES.filter((cause) => lasts(cause, state, now));

const CAUSES: readonly ReleaseCause[] = ["disk", "target", "toolstack", "management"];

function lasts(cause: ReleaseCause, state: State, now: Instant): boolean {
  const { managementLostAt, targetDeaths, toolstackLost, config } = state;
  switch (cause) {
    case "disk":
      return someView(state, (v) => v?.disk === "Diskless" || v?.disk === "Failed");
    case "target":
      return targetDeaths.filter((at) => now - at < DEATHS_WINDOW_MS).length >= DEATHS;
    case "toolstack":
      return toolstackLost;
    case "management":
      return managementLostAt !== null && now - managementLostAt >= config.timers.managementGrace;
  }
}

/** What speaks for giving the storage away by itself now (D18); undefined = nothing. */
export function releaseCause(state: State, now: Instant): ReleaseCause | undefined {
  if (!isOwner(state) || !inForce(state.config, "D18")) return undefined;
  const { body } = state.peer;
  // The other host has what this one lacks.
  const helps = (cause: ReleaseCause): boolean => cause !== "management" || (body?.management === true && body.vote);
  return lastingCauses(state, now).find(helps);
}

/** Why an automatic release does not happen now although there is a cause; undefined = it may. */
export function autoReleaseRefusal(state: State, now: Instant): string | undefined {
  return (
    hostLossForbidden(state) ??
    moveForbidden(state) ??
    unwilling(state) ??
    releaseRefusal(state, now) ??
    flapRefusal(state, now) ??
    undefined
  );
}

/** D1: what the other host says of itself; the record of it here follows a moment later. */
function unwilling({ peer }: State): string | undefined {
  const flags = peer.body?.flags;
  if (flags?.maintenance === true) return "the other host is in maintenance";
  return flags?.manual === true ? "the other host is in manual mode" : undefined;
}

export function decideAutoRelease(turn: Turn): void {
  noteMaster(turn);
  const { state, now } = turn;
  const cause = releaseCause(state, now);
  const over = state.released.filter((one) => one !== cause && one !== "target");
  if (over.length > 0) change(turn, { released: state.released.filter((one) => !over.includes(one)) });
  if (!isOwner(state)) {
    // A host that takes the storage again starts with a clean sheet.
    if (state.released.length > 0 || state.following) change(turn, { released: [], following: false });
    return;
  }
  if (state.activity !== null || state.claim !== null || state.handover !== null || state.stopping !== null) return;
  if (now < state.retryAt || !inContact(state, now)) return;
  const mayFollow = (moveForbidden(state) ?? unwilling(state) ?? releaseRefusal(state, now)) === undefined;
  if (state.following && mayFollow) {
    change(turn, { following: false });
    return begin(turn, { kind: "release", why: "the pool master moved to the other host (D17)", to: "peer" });
  }
  if (cause === undefined || turn.state.released.includes(cause)) return;
  if (autoReleaseRefusal(state, now) !== undefined) return;
  change(turn, { released: [...turn.state.released, cause], designate: true });
  alert(turn, "auto-release", `the storage moves to the other host: ${WHY[cause]}`);
  const record = { takeovers: state.moves.length + 1 };
  begin(turn, { kind: "release", why: `${WHY[cause]} (D18)`, to: "peer", record });
}

/** D17: the storage follows the pool master; as soon as both copies agree, if they do not at the moment. */
function noteMaster(turn: Turn): void {
  const { state } = turn;
  const masterId = valueOf(state.xapi)?.masterId ?? null;
  if (masterId === null || masterId === state.lastMasterId) return;
  const moved = state.lastMasterId === state.config.hostId && masterId === state.config.peerId;
  change(turn, { lastMasterId: masterId, following: moved && isOwner(state) && inForce(state.config, "D17") });
  if (turn.state.following) log(turn, "state.changed", "the pool master moved: the storage follows it (D17)");
}
