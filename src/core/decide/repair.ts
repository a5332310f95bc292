// Small things that are mended whenever they are found broken: DRBD not up, target not warm, watchdog not armed, the
// peer's initiators readmitted. Each with back-off; none changes who serves.

import {
  hostLossForbidden,
  inContact,
  isOwner,
  leftCleanly,
  peerOwns,
  serving,
  supersededWrites,
  view,
} from "../facts.ts";
import { READMIT, restartRefusal } from "./recovery.ts";
import { outdating } from "./requests.ts";
import type { HeartbeatBody } from "../model/peer.ts";
import type { State } from "../model/state.ts";
import { demands, inForce } from "../rules.ts";
import { valueOf } from "../model/observation.ts";
import { change, effect, type Turn } from "../turn.ts";
import { isolationRefusal } from "./isolated.ts";
import type { EffectBody } from "../plan/action.ts";
import { authorityLost } from "./self-fence.ts";

const WARM_AFTER_MS = 3_000;

/** The repair that gives the master role to the host that got the storage. */
export const DESIGNATE = "designate";

/** Makes the other toolstack a supporter; it restarts for that, and says so in its heartbeats only afterwards. */
export const FOLLOW = "make the other toolstack a supporter";

/** A hand-over of the master role, a promotion, or a supporter that is told to follow. */
export function roleMoves({ promotion, repairs }: State): boolean {
  const isUnderWay = (repair: string): boolean => repairs[repair] !== undefined && repairs[repair].id !== -1;
  return promotion?.phase === "running" || isUnderWay(DESIGNATE) || isUnderWay(FOLLOW);
}

/** True when it was tried now. */
function mend(turn: Turn, name: string, body: EffectBody): boolean {
  const last = turn.state.repairs[name];
  if (last !== undefined) {
    const backoffMs = Math.min(60_000, 1_000 * 2 ** last.failures);
    if (last.id !== -1 || turn.now - last.at < backoffMs) return false;
  }
  const id = effect(turn, body);
  change(turn, { repairs: { ...turn.state.repairs, [name]: { id, at: turn.now, failures: last?.failures ?? 0 } } });
  return true;
}

function forget(turn: Turn, name: string): void {
  const { [name]: _over, ...rest } = turn.state.repairs;
  change(turn, { repairs: rest });
}

export function repair(turn: Turn): void {
  const { state, now } = turn;
  const drbd = valueOf(state.drbd);
  if (drbd !== undefined) {
    for (const resource of state.config.resources) {
      if (drbd[resource] === undefined) mend(turn, bringingUp(resource), { kind: "drbd-up", resource });
    }
  }
  reconnect(turn);
  // Before anything that waits: a restarted daemon must feed on within half of the watchdog's time (A7).
  watchdog(turn);
  followStorage(turn);
  resetLeft(turn);
  if (state.activity !== null) return;
  const target = valueOf(state.target);
  const held = target?.filled === true || target?.holds === true;
  // After a release it may wait: a process started now would take the processor from the initiators that log in again.
  const calm = isOwner(state) || state.target.kind === "unknown" || now - state.target.at >= WARM_AFTER_MS;
  if (target !== undefined && !target.running && !state.softFenced && calm)
    mend(turn, "warm the target", { kind: "target-warm" });
  // What a soft fence left may be the owner's again; once the other host owns the storage it keeps that one from serving.
  const stray = !isOwner(state) && (!state.softFenced || peerOwns(state));
  if (stray && state.handover === null && (held || valueOf(state.vip) === "present")) {
    mend(turn, "withdraw what a stopped daemon left", {
      kind: held ? "target-withdraw" : "vip-remove",
    });
  }
  demoteStray(turn);
  clearPortal(turn);
  oneMaster(turn);
  const body = state.peer.body;
  if (
    state.barred &&
    isOwner(state) &&
    serving(state) &&
    inContact(state, now) &&
    body !== null &&
    body.owner === state.config.hostId
  ) {
    const isolated = state.isolated !== null || isolationRefusal(state, now) === undefined;
    if (!isolated && demands(state.config, "A10", settled(state, body))) {
      if (mend(turn, READMIT, { kind: "target-fill", bar: false })) change(turn, { barred: false });
    }
  }
}

/**
 * A11: two toolstacks that call themselves master stay two until one is told (xapi.md 0.10); until then the host that came back
 * is not readmitted (A10). The owner of the storage says which one it is.
 */
function oneMaster(turn: Turn): void {
  const { state, now } = turn;
  const { body } = state.peer;
  if (body?.xapi !== "master" || valueOf(state.xapi)?.role !== "master") return;
  if (!isOwner(state) || !serving(state) || !inContact(state, now) || body.epoch !== state.durable.epoch) return;
  // While a role is handed over both may say so for a moment.
  const underWay = state.promotion?.phase === "running" || state.handover !== null || state.activity !== null;
  // Its own word: the record of this host may not have followed yet.
  if (underWay || body.ha !== "on" || hostLossForbidden(state) !== undefined) return;
  mend(turn, FOLLOW, { kind: "recover-supporters" });
}

/** A10: only a host whose toolstack follows this one's master, and that runs nothing this one runs, gets the disks back. */
function settled(state: State, body: HeartbeatBody): boolean {
  if (body.epoch !== state.durable.epoch) return false;
  const xapi = valueOf(state.xapi);
  const follows =
    xapi?.role === "master"
      ? body.xapi === "supporter"
      : xapi?.masterId === state.config.peerId && body.xapi === "master";
  if (!follows) return false;
  const mine = valueOf(state.domains);
  return mine !== undefined && !mine.some((d) => body.domains.includes(d.uuid));
}

const bringingUp = (resource: string): string => `bring up ${resource}`;

/**
 * An outdate by consent gives the connection up, and may fail after that; an owner gave it up when the old one came back as
 * Primary, and takes it up when that one is Secondary. A bring-up that failed may have ended between the disk and the
 * connection. StandAlone in any other case is a split brain or an operator's wish.
 */
function reconnect(turn: Turn): void {
  const { state, now } = turn;
  // Nearly always; the names are put together only when one of them may be there.
  const nothing = Object.keys(state.repairs).length === 0;
  for (const resource of state.config.resources) {
    const v = view(state, resource);
    const givenUp = !nothing && turn.state.repairs[outdating(resource)]?.id === -1;
    const halfUp = !nothing && turn.state.repairs[bringingUp(resource)]?.id === -1;
    if (givenUp && v?.connection === "Connected") forget(turn, outdating(resource));
    // From here on StandAlone is DRBD's own word again.
    if (halfUp && v !== undefined && v.connection !== "StandAlone") forget(turn, bringingUp(resource));
    if (v?.connection !== "StandAlone") continue;
    const theirs = inContact(state, now) ? state.peer.body?.resources[resource] : undefined;
    const behind = v.disk === "Outdated" || v.disk === "Inconsistent";
    // An owner may have given it up too: by an order to outdate that hung while the storage was handed to it.
    const mayOwn = state.durable.solo[resource] === true || ((givenUp || halfUp || behind) && !serving(state));
    const wanted = isOwner(state)
      ? mayOwn && theirs?.role === "Secondary" && !peerClaims(state)
      : behind || givenUp || halfUp;
    if (wanted) mend(turn, `connect ${resource}`, { kind: "drbd-connect", resource });
  }
}

/** D11: both own the storage in one epoch. DRBD would find its split brain again and again until a person has picked. */
const peerClaims = ({ peer, durable, config }: State): boolean =>
  peer.body?.owner === config.peerId && peer.body.epoch === durable.epoch;

/**
 * A daemon that died in the middle of a switch, or a stand-down that failed half-way, leaves the portal silent, and nothing
 * that can be looked at says so. On the host that does not serve it keeps the initiators from the one that does.
 */
function clearPortal(turn: Turn): void {
  const { state, now } = turn;
  if (state.portalCleared || state.softFenced || state.handover !== null || authorityLost(state, now)) return;
  const withdrawn = valueOf(state.target)?.filled === false && valueOf(state.vip) === "absent";
  if (isOwner(state) ? !serving(state) : !withdrawn) return;
  effect(turn, { kind: "hush-portal", what: "off" });
  mend(turn, "open the portal's filter", { kind: "unblock-portal" });
  change(turn, { portalCleared: true });
}

/**
 * After a move of the storage the master role goes with it. Where the toolstacks did not reach one another at that moment (the
 * management network was the reason of the move) it is tried again until it is done or the storage is back.
 */
function followStorage(turn: Turn): void {
  const { state, now } = turn;
  const tried = state.repairs[DESIGNATE];
  if (tried === undefined || tried.id !== -1) return;
  const role = valueOf(state.xapi)?.role;
  if (isOwner(state) || role === "supporter") {
    const { [DESIGNATE]: _over, ...others } = state.repairs;
    return change(turn, { repairs: others });
  }
  if (role === "master" && peerOwns(state) && inContact(state, now)) mend(turn, DESIGNATE, { kind: "xapi-designate" });
}

const RESET_LEFT = "halt the VMs of the host that left in the pool's database";

/**
 * A13: this toolstack was promoted from a copy that may be older than the end of the VMs there. The host's own word that none
 * runs on it and D7's proof are both needed; a host that comes back meanwhile tells for itself.
 */
function resetLeft(turn: Turn): void {
  const { state, now } = turn;
  const { promotion, repairs, fence } = state;
  if (promotion?.phase !== "done" || valueOf(state.xapi)?.role !== "master") return;
  if (promotion.reset === true && repairs[RESET_LEFT] === undefined) return;
  // Declared dead, its VMs are reset by that.
  if (state.peer.body?.vacated !== true || !leftCleanly(state, now) || fence.confirmed) return;
  if (restartRefusal(state, now) !== undefined) return;
  if (mend(turn, RESET_LEFT, { kind: "xapi-reset-left" })) change(turn, { promotion: { ...promotion, reset: true } });
}

/** A Primary that nobody owns: a daemon died between promote and demote, or a stand-down failed half-way. */
function demoteStray(turn: Turn): void {
  const { state } = turn;
  if (!peerOwns(state) || state.claim !== null || state.handover !== null) return;
  if (valueOf(state.vip) !== "absent") return;
  // A target that waits for them cannot end, nor can the device be closed: they go first (D11).
  const superseded = supersededWrites(state);
  for (const resource of superseded) mend(turn, `demote ${resource}`, { kind: "demote", resource, abandon: true });
  const target = valueOf(state.target);
  if (target?.filled !== false || target.holds === true) return;
  for (const resource of state.config.resources) {
    if (view(state, resource)?.role === "Primary" && !superseded.includes(resource))
      mend(turn, `demote ${resource}`, { kind: "demote", resource });
  }
}

function watchdog(turn: Turn): void {
  const { state } = turn;
  if (!state.config.watchdogUsed) return;
  // A7: disarmed for the time in which this daemon is away, and until the next one is heard.
  const away = state.stopping !== null && state.stopping.phase !== "asking";
  // A6: whatever runs here; a VM may be started on a host whose daemon hangs already.
  const busy = serving(state) || (valueOf(state.domains) ?? []).length > 0;
  const wanted = state.durable.ha !== "off" && !away && (busy || inForce(state.config, "A6"));
  if (wanted && !state.watchdogArmed) mend(turn, "arm the watchdog", { kind: "watchdog-arm" });
  if (!wanted && state.watchdogArmed) mend(turn, "disarm the watchdog", { kind: "watchdog-disarm" });
}
