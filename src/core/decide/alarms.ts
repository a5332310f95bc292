// What a person is told at once: I/O that stays suspended, whatever it waits for (V10), an owner that is lost while manual
// mode keeps everybody from acting (A19), copies that nobody connects. And the end of every alarm, wherever it was raised.

import { isOwner, isSolo, moveForbidden, paused, peerOwns, silenceMs, someView, view } from "../facts.ts";
import type { AlarmId } from "../model/alarm.ts";
import type { State } from "../model/state.ts";
import { inForce } from "../rules.ts";
import { alert, change, type Turn } from "../turn.ts";
import { waitingFor } from "../view.ts";
import { heldByPeer } from "../witness.ts";
import { lastingCauses } from "./auto-release.ts";
import { FLAPPING } from "./flap.ts";
import { FENCING_FAILED, PROVE_OFF } from "./fencing.ts";
import { RESOLVE, SPLIT_BRAIN } from "./ownership.ts";
import { VIP_ANSWERED } from "./takeover.ts";

/** What to do about a grant whose holder is silent; `explain` says it too. */
export const CONFIRM_OFF =
  "it may serve, so nothing is done here; if it does not, make sure that it is off, then run 'iscsi-cfg confirm-peer-off'";

/** What to do about a host that fell silent while its watchdog was disarmed for the exchange of its daemon (A7). */
export const PAUSED_OFF =
  "nothing stops it if it runs on, so nothing is done about its silence; make sure that it is off, then run 'iscsi-cfg confirm-peer-off'";

/** Longer than repair needs, with its pauses, to bring a connection back. */
const APART_MS = 30_000;

const suspended = (state: State): boolean => someView(state, (v) => v?.suspended === true);

const apart = (state: State): readonly string[] =>
  state.config.resources.filter((resource) => view(state, resource)?.connection === "StandAlone");

const TAKE_BY_HAND =
  "make sure that it is off, then run here 'iscsi-cfg confirm-peer-off', 'iscsi-cfg manual-mode-enable' and 'iscsi-cfg become-primary --force'";
/** The rules of the policy hold again then. */
const END_MAINTENANCE = "run 'ha-cfg maintenance off' here";

const byManualMode = ({ durable }: State): boolean => durable.flags.manual || durable.peerFlags.manual;

/** Why nobody takes over from an owner that is lost, and what a person does about it. */
function ownerLost(state: State): string | undefined {
  if (!state.dead || !peerOwns(state) || !inForce(state.config, "A19")) return undefined;
  const forbidden = moveForbidden(state);
  if (forbidden !== undefined) return `${forbidden}: ${byManualMode(state) ? TAKE_BY_HAND : END_MAINTENANCE}`;
  const agreed = paused(state);
  return agreed === undefined ? undefined : `${agreed}: ${PAUSED_OFF}`;
}

const blockedBy = (state: State, start: string): boolean => state.blocked?.startsWith(start) === true;

/** What a person does about what blocks this host. */
export function wayOut(blocked: string): string {
  if (blocked.startsWith(SPLIT_BRAIN)) return RESOLVE;
  return blocked.startsWith(VIP_ANSWERED) ? "find that machine" : PROVE_OFF;
}

/** A1: the other host is dead as far as can be told, and the grant that this one needs died with it. */
const grantStuck = (state: State): boolean =>
  state.dead && !state.fence.confirmed && heldByPeer(state) && !(isOwner(state) && isSolo(state));

/** Is what was told still so? */
const LASTS: Readonly<Record<AlarmId, (state: State, now: number) => boolean>> = {
  "auto-release": (state, now) => lastingCauses(state, now).length > 0,
  "drbd-apart": (state) => state.drbd.kind === "unknown" || apart(state).length > 0,
  fencing: (state) => blockedBy(state, FENCING_FAILED),
  flapping: (state) => blockedBy(state, FLAPPING),
  "io-suspended": (state) => state.drbd.kind === "unknown" || suspended(state),
  "owner-lost": (state) => ownerLost(state) !== undefined,
  "self-fence": (state) => state.softFenced || state.selfFencing !== null || state.activity?.kind === "soft-fence",
  "split-brain": (state) => blockedBy(state, SPLIT_BRAIN),
  "vip-conflict": (state) => blockedBy(state, VIP_ANSWERED),
  "witness-held": (state) => grantStuck(state),
};

export function watchAlarms(turn: Turn): void {
  watchSuspension(turn);
  watchOwner(turn);
  watchConnection(turn);
  watchGrant(turn);
  const over = turn.state.alarms.filter((id) => !LASTS[id](turn.state, turn.now));
  if (over.length === 0) return;
  for (const id of over) turn.actions.push({ kind: "alert-over", id });
  change(turn, { alarms: turn.state.alarms.filter((id) => !over.includes(id)) });
}

function watchSuspension(turn: Turn): void {
  const { suspendedSince, alarms, config } = turn.state;
  if (!suspended(turn.state)) {
    if (suspendedSince !== null) change(turn, { suspendedSince: null });
    return;
  }
  if (suspendedSince === null) return change(turn, { suspendedSince: turn.now });
  const suspendedMs = turn.now - suspendedSince;
  if (alarms.includes("io-suspended") || suspendedMs < config.timers.take) return;
  const seconds = Math.round(suspendedMs / 1000);
  alert(turn, "io-suspended", `I/O is suspended for ${seconds} s; waiting for: ${waitingFor(turn.state, turn.now)}`);
}

function watchOwner(turn: Turn): void {
  const lost = ownerLost(turn.state);
  if (lost === undefined || turn.state.alarms.includes("owner-lost")) return;
  alert(turn, "owner-lost", `the other host owns the storage and is silent, and ${lost}`);
}

function watchGrant(turn: Turn): void {
  const { state, now } = turn;
  if (!grantStuck(state) || state.alarms.includes("witness-held") || silenceMs(state, now) < state.config.timers.take)
    return;
  alert(turn, "witness-held", `the other host is silent and holds the witness's grant: ${CONFIRM_OFF}`);
}

function watchConnection(turn: Turn): void {
  const { apartSince, alarms } = turn.state;
  const [resource] = apart(turn.state);
  if (resource === undefined) {
    if (apartSince !== null) change(turn, { apartSince: null });
    return;
  }
  if (apartSince === null) return change(turn, { apartSince: turn.now });
  if (alarms.includes("drbd-apart") || turn.now - apartSince < APART_MS) return;
  const next = `'drbdadm connect ${resource}' connects it again; after a split brain ${RESOLVE}`;
  alert(turn, "drbd-apart", `DRBD of ${resource} is StandAlone here: its writes are not copied; ${next}`);
}
