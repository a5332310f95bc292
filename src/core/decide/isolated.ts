// A22: the peer lost its path to the storage and still talks. Its VMs stall; the owner starts them only after the peer
// itself stopped them and looked again.

import {
  drbdConnected,
  hostLossForbidden,
  inContact,
  isOwner,
  isSolo,
  protectedOf,
  restartAfterMs,
  serving,
} from "../facts.ts";
import { valueOf } from "../model/observation.ts";
import type { State } from "../model/state.ts";
import type { Instant, Millis } from "../model/time.ts";
import { inForce } from "../rules.ts";
import { ask, change, effect, log, type Turn } from "../turn.ts";
import { barPeer } from "./recovery.ts";

const MAX_ATTEMPTS = 5;
const RETRY_MS = 10_000;
/** The peer stops domains and looks for them again. */
const CONFIRM_MS = 15_000;

/**
 * How long the stalled VMs of the peer still wait for their path; 0 = long enough. After an outage of both networks it counts
 * from the first contact: DRBD connects a moment later, and the VMs run on.
 */
export function isolationLeftMs(state: State, now: Instant): Millis {
  const since = Math.max(state.drbdConnectedAt ?? state.startedAt, state.peer.contactSince ?? state.startedAt);
  return Math.max(0, since + restartAfterMs(state, now) - now);
}

/** Why the peer's stalled VMs are not asked for now; undefined = they are. */
export function isolationRefusal(state: State, now: Instant): string | undefined {
  const { config, peer } = state;
  if (!inForce(config, "A22") || config.isolatedVms === "wait") return "ISOLATED_VM_POLICY is wait";
  if (!config.mayRestart) return "SLAVE_HA is 0 on this host";
  const forbidden = hostLossForbidden(state);
  if (forbidden !== undefined) return forbidden;
  if (!inContact(state, now) || peer.body === null) return "the other host does not answer";
  if (!isOwner(state) || !serving(state) || !isSolo(state)) return "this host does not serve the storage alone";
  if (drbdConnected(state)) return "DRBD is connected to the other host";
  if (valueOf(state.xapi)?.role !== "master") return "this host's toolstack is not the pool master";
  if (wanted(state).length === 0) return "no protected VM runs on the other host";
  const left = isolationLeftMs(state, now);
  return left === 0 ? undefined : `the replication network may come back: ${Math.ceil(left / 1000)} s more`;
}

/**
 * What runs there, and what was asked for before without a good end: the peer may have given it up although its answer, or
 * the start here, failed. Otherwise it would run nowhere.
 */
function wanted(state: State): readonly string[] {
  const { peer, isolated } = state;
  const before = isolated?.phase === "failed" ? isolated.domains : [];
  return protectedOf(state, [...new Set([...before, ...(peer.body?.domains ?? [])])]);
}

export function recoverIsolated(turn: Turn): void {
  const { state, now } = turn;
  const { isolated } = state;
  if (isolated !== null && isolated.phase !== "starting" && (drbdConnected(state) || !inContact(state, now)))
    return change(turn, { isolated: null });
  if (isolated?.phase === "asking") return;
  if (isolated?.phase === "starting") return start(turn);
  if (isolated !== null && (isolated.attempts >= MAX_ATTEMPTS || now - isolated.at < RETRY_MS)) return;
  if (isolationRefusal(state, now) !== undefined || !barPeer(turn)) return;
  const domains = wanted(turn.state);
  const id = ask(turn, { kind: "confirm-gone", domains }, CONFIRM_MS);
  change(turn, { isolated: { phase: "asking", id, domains, attempts: (isolated?.attempts ?? 0) + 1, at: now } });
  log(turn, "vm.starting", `asking the other host to give up ${domains.length} stalled VMs (A22)`);
}

function start(turn: Turn): void {
  const { isolated } = turn.state;
  if (isolated === null || isolated.id !== -1) return;
  // V5: HA was switched off meanwhile. What a person does about these VMs from here on nobody here would know.
  const forbidden = hostLossForbidden(turn.state);
  if (forbidden !== undefined) {
    log(turn, "vm.failed", `VMs that the other host gave up are not started: ${forbidden}`, "error");
    return change(turn, { isolated: null });
  }
  const id = effect(turn, { kind: "start-confirmed", domains: isolated.domains });
  change(turn, { isolated: { ...isolated, id } });
}
