// What the peer may ask of this host over the control RPC, and the answers it is owed. Idempotent throughout.

import { assertNever } from "../../util/assert.ts";
import {
  ahead,
  drbdConnected,
  hostLossForbidden,
  inContact,
  isOwner,
  looked,
  mayHaveTaken,
  moveForbidden,
  peerOwns,
  view,
} from "../facts.ts";
import { valueOf } from "../model/observation.ts";
import type { PeerRequest } from "../model/peer.ts";
import type { OwedAnswer } from "../model/state.ts";
import { change, effect, log, persist, type Turn } from "../turn.ts";
import { witnessSilent } from "../witness.ts";
import { begin } from "./begin.ts";
import { forgetMoves } from "./flap.ts";
import { releaseRefusal } from "./ownership.ts";
import { discardOwn, disown } from "./resolve.ts";

function refuse(turn: Turn, id: number, reason: string): void {
  turn.actions.push({ kind: "answer", id, reply: { kind: "refused", reason } });
}

function done(turn: Turn, id: number, said?: string): void {
  turn.actions.push({ kind: "answer", id, reply: said === undefined ? { kind: "done" } : { kind: "done", said } });
}

const MOST_OWED = 16;

function owe(
  turn: Turn,
  requestId: number,
  kind: OwedAnswer["kind"],
  waitingFor: readonly number[],
  domains: readonly string[] = [],
  discards?: OwedAnswer["discards"],
): void {
  // While a tool hangs the same question comes again every second: its first askers wait no longer.
  const { owed } = turn.state;
  const most = MOST_OWED - 1;
  for (const { requestId: old } of owed.slice(0, -most)) refuse(turn, old, "asked again since, and not answered yet");
  change(turn, {
    owed: [...owed.slice(-most), { requestId, kind, waitingFor, failed: null, domains, ...(discards && { discards }) }],
  });
}

/** Requests that end in a durable write wait for the one that is in flight. */
const WRITES: ReadonlySet<PeerRequest["kind"]> = new Set(["cancel", "claim", "prepare-mode", "commit-mode", "discard"]);

/** Takes up what had to wait, and answers everything whose effects have ended. */
export function settleOwed(turn: Turn): void {
  const [next, ...rest] = turn.state.deferred;
  if (next !== undefined && turn.state.persisting === null) {
    change(turn, { deferred: rest });
    acceptRequest(turn, next.id, next.request);
  }
  if (turn.state.owed.length === 0) return;
  const owed = turn.state.owed.map((one) => goOn(turn, one));
  for (const one of owed) {
    if (one.waitingFor.length > 0) continue;
    const failed = one.failed ?? stillHere(turn, one.domains ?? []);
    if (failed === null) done(turn, one.requestId, one.said);
    else refuse(turn, one.requestId, failed);
  }
  change(turn, { owed: owed.filter((one) => one.waitingFor.length > 0) });
}

/** The second half of a discard, when the first one is durable. */
function goOn(turn: Turn, one: OwedAnswer): OwedAnswer {
  if (one.discards === undefined || one.waitingFor.length > 0 || one.failed !== null) return one;
  const { discards, ...rest } = one;
  const begun = discardOwn(turn, discards);
  return typeof begun === "string" ? { ...rest, failed: begun } : { ...rest, waitingFor: begun };
}

function stillHere(turn: Turn, domains: readonly string[]): string | null {
  if (domains.length === 0) return null;
  const mine = valueOf(turn.state.domains);
  if (mine === undefined) return "the domains of this host are not known";
  const there = domains.filter((uuid) => mine.some((d) => d.uuid === uuid));
  return there.length === 0 ? null : `still here: ${there.join(", ")}`;
}

export function acceptRequest(turn: Turn, id: number, request: PeerRequest): void {
  if (WRITES.has(request.kind) && turn.state.persisting !== null) {
    return change(turn, { deferred: [...turn.state.deferred.slice(-15), { id, request }] });
  }
  switch (request.kind) {
    case "outdate":
      return acceptOutdate(turn, id, request.resource, request.epoch);
    case "acquire":
      return acceptAcquire(turn, id, request.token, request.epoch, request.automatic);
    case "validate": {
      const { handover } = turn.state;
      const valid =
        handover !== null &&
        handover.phase === "offered" &&
        handover.token === request.token &&
        turn.now < handover.deadline;
      return valid ? done(turn, id) : refuse(turn, id, "this token is not valid (any more)");
    }
    case "cancel":
      return acceptCancel(turn, id, request.token, request.epoch);
    case "claim":
      return acceptClaim(turn, id, request.epoch, request.operator);
    case "hand-over":
      return acceptHandOver(turn, id, request.operator);
    case "prepare-mode":
    case "commit-mode": {
      const { disarmed } = turn.state.config;
      if (request.ha === "on" && disarmed !== undefined) return refuse(turn, id, disarmed);
      const silent =
        request.kind === "prepare-mode" && request.ha === "on" && turn.state.config.fenceEnabled
          ? witnessSilent(turn.state, turn.now)
          : undefined;
      if (silent !== undefined) return refuse(turn, id, `${silent} on this host (A5)`);
      // A4: the asking host has forbidden its own takeovers before it asks, but it allows them only after the answer, and
      // may never get it: that it is enabled too is known from its own heartbeat.
      const asker = request.ha === "on" ? {} : { peerHa: request.ha };
      const write = persist(turn, { ha: request.ha, ...asker }, `HA ${request.ha} on the word of the other host`);
      if (write === undefined) return refuse(turn, id, "another durable change is being written: try again");
      log(turn, "mode.changed", `HA is ${request.ha} (asked by the other host)`);
      return owe(turn, id, request.kind, [write]);
    }
    case "discard": {
      const write = disown(turn, request);
      if (typeof write === "string") return refuse(turn, id, write);
      change(turn, { syncedEpoch: null });
      const { resources, snapshot } = request;
      return owe(turn, id, "discard", [write], [], { resources, snapshot });
    }
    case "pause":
      return acceptPause(turn, id);
    case "confirm-gone":
      return acceptConfirmGone(turn, id, request.domains);
    default:
      return assertNever(request);
  }
}

/** V6: with this host's word the other one would own an epoch that is maybe this host's own by what is on its disk. */
const UNSETTLED = "the record of a takeover may be on its disk, and is not settled yet";

/** D3: my copy is made Outdated by DRBD itself, durably; only then the owner goes on without me. */
function acceptOutdate(turn: Turn, id: number, resource: string, epoch: number): void {
  const { state } = turn;
  const v = view(state, resource);
  if (isOwner(state)) return refuse(turn, id, "this host owns the storage");
  if (state.activity?.kind === "activate") return refuse(turn, id, "this host is taking the storage");
  if (epoch < state.durable.epoch)
    return refuse(turn, id, `epoch ${epoch} is over, this host knows ${state.durable.epoch}`);
  if (mayHaveTaken(state)) return refuse(turn, id, UNSETTLED);
  if (v === undefined) return refuse(turn, id, `the state of ${resource} is unknown here`);
  if (v.role === "Primary") return refuse(turn, id, `${resource} is Primary here`);
  if (ahead(state) === resource) return refuse(turn, id, `the newest copy of ${resource} is on this host (A2)`);
  // DRBD's own word, for a host whose record was lost: it was Primary after the other copy had been left behind.
  if (v.connection !== "Connected" && v.disk === "UpToDate" && v.peerDisk === "Outdated")
    return refuse(
      turn,
      id,
      `DRBD knows the other copy of ${resource} as outdated: the newest one is on this host (A2)`,
    );
  change(turn, { syncedEpoch: null });
  if (v.disk === "Outdated" || v.disk === "Inconsistent" || v.disk === "Diskless") return done(turn, id);
  owe(turn, id, "outdate", [outdate(turn, resource)]);
}

/** The entry of an outdate among the repairs: running, or failed when it may have given up the connection already. */
export const outdating = (resource: string): string => `outdate ${resource}`;

/** Asked again while the tool still hangs, it is not started a second time: a queue of them would outdate the copy much later. */
function outdate(turn: Turn, resource: string): number {
  const name = outdating(resource);
  const last = turn.state.repairs[name];
  if (last !== undefined && last.id !== -1) return last.id;
  const id = effect(turn, { kind: "outdate", resource });
  const failures = last?.failures ?? 0;
  change(turn, { repairs: { ...turn.state.repairs, [name]: { id, at: turn.now, failures } } });
  return id;
}

/** A9: the releaser proved that nobody serves; this host revalidates the token before it promotes. */
function acceptAcquire(turn: Turn, id: number, token: string, epoch: number, automatic: boolean): void {
  const { state } = turn;
  if (state.activity?.token === token) return done(turn, id);
  if (state.stopping !== null) return refuse(turn, id, "this daemon is about to stop");
  if (epoch !== state.durable.epoch)
    return refuse(turn, id, `this host is in epoch ${state.durable.epoch}, the offer is for ${epoch}`);
  if (state.activity !== null || state.claim !== null || state.blocked !== null)
    return refuse(turn, id, "this host is changing its own state");
  if (!looked(state)) return refuse(turn, id, "the state of the storage on this host is not known yet");
  if (state.owed.some((one) => one.kind === "outdate" && one.waitingFor.length > 0))
    return refuse(turn, id, "this host is still outdating its copy, as it was asked to (D3)");
  for (const resource of state.config.resources) {
    const disk = view(state, resource)?.disk;
    if (disk !== "UpToDate") return refuse(turn, id, `the disk of ${resource} is ${disk ?? "unknown"} here`);
  }
  begin(turn, {
    kind: "activate",
    why: "the other host released the storage",
    token,
    record: {
      epoch: epoch + 1,
      owner: state.config.hostId,
      solo: {},
      takeovers: automatic ? state.moves.length + 1 : 0,
    },
  });
  if (!automatic) forgetMoves(turn);
  done(turn, id);
}

/** A7: answered only when the word is in the heartbeats too, which nothing older can overtake. */
function acceptPause(turn: Turn, id: number): void {
  const { state, now } = turn;
  if (!inContact(state, now) || state.peer.body?.intent !== "paused")
    return refuse(turn, id, "this host has not heard the announcement yet");
  if (state.stopping !== null) return refuse(turn, id, "this host's daemon is about to stop itself");
  if (state.fence.pending !== null || state.recovery?.phase === "running")
    return refuse(turn, id, "this host is acting on the loss of the other one");
  done(turn, id);
}

/** A22: the owner takes over VMs that stall here without their disks; they are stopped, looked for again, then given away. */
function acceptConfirmGone(turn: Turn, id: number, domains: readonly string[]): void {
  const { state } = turn;
  if (isOwner(state)) return refuse(turn, id, "this host owns the storage");
  if (drbdConnected(state)) return refuse(turn, id, "DRBD is connected: the VMs of this host have their disks");
  const mine = valueOf(state.domains);
  if (mine === undefined) return refuse(turn, id, "the domains of this host are not known");
  if (!mine.some((d) => domains.includes(d.uuid))) return done(turn, id);
  // V5: the other host asked before it could know.
  const forbidden = hostLossForbidden(state);
  if (forbidden !== undefined) return refuse(turn, id, forbidden);
  log(turn, "vm.stopped", `${domains.length} VMs stall without their disks: the other host starts them (A22)`, "warn");
  owe(turn, id, "confirm-gone", [effect(turn, { kind: "destroy-domains", domains })], domains);
}

function acceptCancel(turn: Turn, id: number, token: string, epoch: number): void {
  const { state } = turn;
  // The new epoch is durable here: the hand-over is through, a cancel that waited for that write comes too late.
  if (isOwner(state)) return refuse(turn, id, "this host owns the storage already");
  if (state.activity?.token === token) begin(turn, { kind: "stand-down", why: "the hand-over was cancelled (A9)" });
  const write = persist(
    turn,
    { epoch: Math.max(epoch, state.durable.epoch), owner: state.config.peerId },
    "hand-over cancelled (A9)",
  );
  if (write === undefined) return refuse(turn, id, "another durable change is being written: try again");
  owe(turn, id, "cancel", [write]);
}

/** D13: the other host takes what nobody owns; the tie of two claims is broken by the lower UUID. */
function acceptClaim(turn: Turn, id: number, epoch: number, operator: boolean): void {
  const { state } = turn;
  const { config, durable } = state;
  if (peerOwns(state) && durable.epoch === epoch) return done(turn, id);
  if (epoch !== durable.epoch + 1) return refuse(turn, id, `this host is in epoch ${durable.epoch}`);
  if (mayHaveTaken(state)) return refuse(turn, id, UNSETTLED);
  if (isOwner(state)) return refuse(turn, id, "this host owns the storage");
  const newest = ahead(state);
  if (newest !== undefined) return refuse(turn, id, `the newest copy of ${newest} is on this host (A2)`);
  if (peerOwns(state) && !operator) return refuse(turn, id, "the storage is owned already");
  if (state.activity !== null && state.activity.kind !== "stand-down")
    return refuse(turn, id, "this host is changing its own state");
  if (config.resources.some((r) => view(state, r)?.role === "Primary")) return refuse(turn, id, "this host is Primary");
  if (state.claim !== null && config.hostId < config.peerId)
    return refuse(turn, id, "this host claims the storage itself");
  if (!operator && moveForbidden(state) !== undefined) return refuse(turn, id, moveForbidden(state) ?? "");
  const write = persist(turn, { epoch, owner: config.peerId, solo: {} }, "the other host claimed the storage (D13)");
  if (write === undefined) return refuse(turn, id, "another durable change is being written: try again");
  change(turn, { claim: null, syncedEpoch: null });
  owe(turn, id, "claim", [write]);
}

function acceptHandOver(turn: Turn, id: number, operator: string): void {
  const { state, now } = turn;
  const refusal = releaseRefusal(state, now);
  if (refusal !== undefined) return refuse(turn, id, refusal);
  if (state.activity !== null || state.handover !== null) return refuse(turn, id, "a change is already under way");
  if (!inContact(state, now)) return refuse(turn, id, "no contact");
  // become-primary moves the storage only; the toolstack's role stays where the operator has it.
  change(turn, { designate: operator === "switch", yieldsUntil: null });
  begin(turn, { kind: "release", why: "asked for by an operator on the other host", to: "peer" });
  done(turn, id);
}
