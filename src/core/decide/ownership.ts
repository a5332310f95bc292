// Who owns the storage when the hosts can talk (D11, D13, D17), and the lone start of a solo owner (D12).

import { inContact, isOwner, isSolo, looked, moveForbidden, promotable, serving, view } from "../facts.ts";
import type { DrbdView, Generation } from "../model/drbd.ts";
import { valueOf } from "../model/observation.ts";
import type { HeartbeatBody } from "../model/peer.ts";
import type { State } from "../model/state.ts";
import { inForce } from "../rules.ts";
import { alert, ask, change, log, persist, type Turn } from "../turn.ts";
import { begin } from "./begin.ts";

export function decideOwnership(turn: Turn): void {
  if (higherEpoch(turn) || splitBrain(turn)) return;
  writeClaim(turn);
  const { state, now } = turn;
  // Between the word that this host leaves and its end nothing is taken up again.
  if (state.stopping?.intent === "leaving") return;
  if (state.activity !== null || state.claim !== null || state.handover !== null) return;
  // What blocks a takeover or a claim does not keep an owner from serving what is its own.
  if (state.blocked !== null && !isOwner(state)) return;
  if (!looked(state) || now < state.retryAt) return;
  if (inContact(state, now)) return inCompany(turn);
  return alone(turn);
}

/** D11: somebody owns the storage in a higher epoch: stop serving at once, then adopt it. */
function higherEpoch(turn: Turn): boolean {
  const { state } = turn;
  const body = state.peer.body;
  if (body === null || body.epoch <= state.durable.epoch || !inForce(state.config, "D11")) return false;
  const mine = body.owner === state.config.hostId;
  const serves = !mine && (isOwner(state) || serving(state));
  // My own solo commit or activation may be a step ahead of the peer; a cancelled hand-over too.
  if (serves && state.activity?.kind !== "stand-down") {
    log(turn, "state.changed", `the other host owns the storage in epoch ${body.epoch}: standing down`, "warn");
    begin(turn, { kind: "stand-down", why: `epoch ${body.epoch} seen (D11)` });
  }
  if (state.persisting !== null) return true;
  persist(turn, { epoch: body.epoch, owner: body.owner, solo: {} }, "adopt the newer epoch (D11)");
  change(turn, { claim: null, syncedEpoch: null });
  return true;
}

/** What a person does about copies that grew apart. */
export const RESOLVE = "run 'iscsi-cfg resolve-split-brain' on the host whose data is to stay";

/** How the reason of that block begins, and of that one which is about the data. */
export const SPLIT_BRAIN = "split brain";
export const SPLIT_DATA = `${SPLIT_BRAIN} of the data`;

/** D11: one epoch, two owners: both stop exporting, nothing is discarded, a person picks. */
function splitBrain(turn: Turn): boolean {
  const { state } = turn;
  const body = state.peer.body;
  if (body === null || body.epoch !== state.durable.epoch || body.owner !== state.config.peerId || !isOwner(state)) {
    // One of them gave it up: the other one serves.
    const over = state.blocked?.startsWith(SPLIT_BRAIN) === true && !state.blocked.startsWith(SPLIT_DATA);
    if (over) change(turn, { blocked: null });
    return false;
  }
  if (!inForce(state.config, "D11")) return false;
  if (state.blocked === null) {
    change(turn, { blocked: `${SPLIT_BRAIN}: both hosts own the storage in epoch ${body.epoch}` });
    alert(
      turn,
      "split-brain",
      `both hosts own the storage in epoch ${body.epoch}: nothing is served until you choose: ${RESOLVE}`,
    );
    begin(turn, { kind: "stand-down", why: "split brain (D11)" });
  }
  return true;
}

/** Why the storage can't be handed to the other host now; undefined = it can (protocol.md 7). */
export function releaseRefusal(state: State, now: number): string | undefined {
  const body = state.peer.body;
  if (!isOwner(state)) return "this host does not own the storage";
  if (!inContact(state, now) || body === null) return "the other host does not answer";
  if (!body.joined) return "the daemon of the other host has not looked at its storage yet";
  if (body.busy) return "the other host is changing its own state";
  if (state.solo !== null) return "this host is just barring the other copy (D3)";
  if (body.intent === "leaving" || body.intent === "paused") return "the daemon of the other host is about to stop";
  if (body.epoch !== state.durable.epoch) return "the other host has not followed to this epoch yet";
  if (body.cfgHash !== state.config.cfgHash) return "the two hosts have different configurations";
  for (const resource of state.config.resources) {
    const v = view(state, resource);
    if (v === undefined) return `the state of ${resource} is unknown`;
    if (v.connection !== "Connected") return `DRBD of ${resource} is ${v.connection}, not Connected`;
    if (v.replication !== "Established")
      return `DRBD of ${resource} is in ${v.replication}: wait for the resync to end`;
    if (v.peerDisk !== "UpToDate") return `the other host's disk of ${resource} is ${v.peerDisk}, not UpToDate`;
  }
  return undefined;
}

function inCompany(turn: Turn): void {
  const { state, now } = turn;
  const body = state.peer.body;
  if (body === null || !body.joined || body.epoch !== state.durable.epoch) return;
  if (state.softFenced) {
    // D13: contact ends a soft fence. The owner serves again by its activation, then the domains run on.
    if (isOwner(state) && !serving(state)) {
      if (!parted(turn, body)) resume(turn, "contact after self-fencing (D13)");
      return;
    }
    // It may just be starting what is paused here, before its heartbeats name it (V2).
    if (body.busy) return;
    return begin(turn, { kind: "soft-fence-end", why: "contact after self-fencing (D13)" });
  }
  if (isOwner(state)) {
    // An owner too exports neither copy: its record tells whose the storage was, not which writes are wanted.
    if (!serving(state) && !parted(turn, body)) resume(turn, "this host owns the storage");
    return;
  }
  if (state.durable.owner !== null || body.owner !== null || body.busy) return;
  if (moveForbidden(state) !== undefined || now < state.retryAt || parted(turn, body)) return;
  if (choose(state, body) !== state.config.hostId) return;
  claim(turn, false);
}

/** A18: blocks, and tells it once, while each copy has writes that the other one never had. */
function parted(turn: Turn, body: HeartbeatBody): boolean {
  const apart = unrelated(turn.state, body);
  if (apart === undefined) return false;
  const text = `${SPLIT_DATA}: ${apart} holds data on each host that the other one never had`;
  if (turn.state.blocked === text) return true;
  change(turn, { blocked: text });
  alert(turn, "split-brain", `${text}; nothing is served until you choose: ${RESOLVE}`);
  return true;
}

/** A18: the resource whose two copies come from neither one another: D11, a person picks. Undefined: there is none. */
export const unrelated = (state: State, body: HeartbeatBody): string | undefined =>
  inForce(state.config, "A18") ? apart(state, body)[0] : undefined;

/** Every resource whose copies grew apart, and each could be served: which one has the wanted writes a person knows. */
const apart = (state: State, body: HeartbeatBody): readonly string[] =>
  strangers(state, body).filter(
    (resource) => usable(view(state, resource)?.disk) > 0 && usable(body.resources[resource]?.disk) > 0,
  );

/**
 * Every resource whose copies come from neither one another, in whatever state they are: DRBD connects no such two, and an
 * order to discard one of them is the only way together.
 */
export function strangers(state: State, body: HeartbeatBody): readonly string[] {
  return state.config.resources.filter((resource) => {
    const mine = view(state, resource);
    const theirs = body.resources[resource];
    if (mine === undefined || theirs === undefined || mine.connection === "Connected") return false;
    const { generation } = mine;
    if (generation === null || theirs.generation === null) return false;
    if (isNew(generation) || isNew(theirs.generation)) return false;
    return generation.current !== theirs.generation.current && newer(generation, theirs.generation) === 0;
  });
}

/** A disk that holds nothing yet: DRBD's UUID_JUST_CREATED, or none. */
const isNew = ({ current }: Generation): boolean => /^0*4?$/.test(current);

/** 2: known to be whole and the newest; 1: whole; 0: neither. */
export const usable = (disk: DrbdView["disk"] | undefined): number =>
  disk === "UpToDate" ? 2 : disk === "Consistent" ? 1 : 0;

/** The owner serves again after a crash of daemon or target; not while DRBD waits for an answer, not from a bad disk. */
function resume(turn: Turn, why: string): void {
  const { state, now } = turn;
  for (const resource of state.config.resources) {
    const v = view(state, resource);
    if (v === undefined || (v.disk !== "UpToDate" && v.role !== "Primary")) return;
    // A copy that the resync still fills is not promoted, and a suspended one is the business of D3/D4.
    if (v.suspended || v.replication === "SyncTarget") return;
  }
  // Dead targets are restarted at once; anything else gets the ordinary pause between tries.
  if (now < state.retryAt) return;
  begin(turn, { kind: "activate", why });
}

export function claim(turn: Turn, operator: boolean): void {
  const { state } = turn;
  // What is on its way to the disk may be the other host's claim for the same epoch.
  if (state.persisting !== null) return;
  const epoch = state.durable.epoch + 1;
  const id = ask(turn, { kind: "claim", epoch, operator }, 1_000);
  change(turn, { claim: { id, epoch, operator, phase: "asking" }, retryAt: turn.now + 1_000 });
}

function writeClaim(turn: Turn): void {
  const { claim: mine, config, persisting } = turn.state;
  if (mine === null || mine.phase !== "persisting" || persisting !== null || mine.id !== -1) return;
  change(turn, { claim: null });
  if (mine.epoch !== turn.state.durable.epoch + 1) return;
  const record = { epoch: mine.epoch, owner: config.hostId, solo: {} };
  begin(turn, {
    kind: "activate",
    why: mine.operator ? "become-primary by an operator" : "nobody owned the storage (D13)",
    record,
  });
}

/** D12: booted alone: only the last owner that left its peer behind knows that its data is newest. */
function alone(turn: Turn): void {
  const { state } = turn;
  if (state.softFenced) {
    // D8: without contact only an operator ends a soft fence: by word that the other host is off, or by taking the storage.
    if (isOwner(state) && isSolo(state) && state.fence.confirmed && !serving(state))
      return resume(turn, "an operator confirmed that the other host is off (D8)");
    if (isOwner(state) && serving(state))
      begin(turn, { kind: "soft-fence-end", why: "an operator took the storage here (D8)" });
    return;
  }
  if (state.peer.contactAt !== null && state.suspected && isOwner(state) && isSolo(state) && !serving(state)) {
    return resume(turn, "this host owns the storage alone (D5)");
  }
  if (state.peer.contactAt !== null || !isOwner(state)) return;
  if (!isSolo(state) && inForce(state.config, "D12")) return;
  if (turn.now - state.startedAt < 2 * state.config.timers.suspect || serving(state)) return;
  const usable = state.config.resources.every((r) => promotable(state.config, view(state, r)?.disk ?? "DUnknown"));
  if (usable) begin(turn, { kind: "activate", why: "started alone: the last owner, the other copy is behind (D12)" });
}

/** D13: both hosts compute the same answer from the same two heartbeats. */
export function choose(state: State, body: HeartbeatBody): string {
  const { hostId, peerId, resources } = state.config;
  for (const resource of inForce(state.config, "D13") ? resources : []) {
    const mine = view(state, resource);
    const theirs = body.resources[resource];
    if (mine === undefined || theirs === undefined) return peerId < hostId ? peerId : hostId;
    const alone = state.durable.solo[resource] === true;
    if (mine.connection !== "Connected" && alone !== theirs.solo) return alone ? hostId : peerId;
    if (usable(mine.disk) !== usable(theirs.disk)) return usable(mine.disk) > usable(theirs.disk) ? hostId : peerId;
    const order = inForce(state.config, "A18") ? newer(mine.generation, theirs.generation) : 0;
    if (order !== 0) return order > 0 ? hostId : peerId;
  }
  const xapi = valueOf(state.xapi)?.role ?? "unknown";
  if (xapi === "master" && body.xapi === "supporter") return hostId;
  if (xapi === "supporter" && body.xapi === "master") return peerId;
  return hostId < peerId ? hostId : peerId;
}

/** A18: "newer" means the other's current UUID is in my bitmap or history. 0 = the same, or not comparable here. */
export function newer(mine: Generation | null, theirs: Generation | null): number {
  if (mine === null || theirs === null || mine.current === theirs.current) return 0;
  const past = (g: Generation): readonly string[] => [g.bitmap, ...g.history];
  if (past(mine).includes(theirs.current)) return 1;
  if (past(theirs).includes(mine.current)) return -1;
  return 0;
}
