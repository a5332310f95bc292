// Takes one event into the state; decides nothing.

import { valueOf } from "../model/observation.ts";
import type { FenceState } from "../model/state.ts";
import { assertNever } from "../../util/assert.ts";
import { elects, isStorageHost, reportMs } from "./facts.ts";
import { endLead } from "./election.ts";
import { hearBeat } from "./hear.ts";
import { neighboursOf } from "./initial.ts";
import type { Attempt, PoolEvent, PoolState } from "./model.ts";
import { alert, change, changeHost, log, type PoolTurn } from "./turn.ts";
import { takeCommand } from "./commands.ts";

export function absorb(turn: PoolTurn, event: PoolEvent): void {
  const { state, now } = turn;
  switch (event.kind) {
    case "tick":
      if (now - state.lastTick > reportMs(state.config)) change(turn, { awakeAt: now });
      return change(turn, { lastTick: now });
    case "beat":
      return hearBeat(turn, event.heard);
    case "pair": {
      const { epoch, owner, ha, maintenance } = event.facts;
      const flags = { ...state.durable.flags, maintenance };
      return change(turn, { pair: event.facts, durable: { ...state.durable, epoch, owner, ha, flags } });
    }
    case "domains":
      return change(turn, { domains: event.domains, ...(isFoundFenced(state, event) ? { softFenced: true } : {}) });
    case "xapi":
      return change(turn, {
        xapi: event.xapi,
        ...(valueOf(event.xapi)?.role === "master" ? {} : { supporters: null }),
      });
    case "watchdog":
      return change(turn, { watchdogArmed: event.armed });
    case "config":
      return change(turn, { config: event.config, neighbours: neighboursOf(event.config, state.neighbours) });
    case "command":
      return takeCommand(turn, event.id, event.command);
    case "result":
      return settle(turn, event);
    default:
      return assertNever(event);
  }
}

/** D10: a soft fence outlives the daemon that set it, and is known by domains that all stand still. */
const isFoundFenced = ({ domains, durable, config }: PoolState, found: PoolEvent & { kind: "domains" }): boolean => {
  const list = valueOf(found.domains) ?? [];
  const first = domains.kind === "unknown" && durable.ha !== "off" && !isStorageHost(config);
  return first && list.length > 0 && list.every(({ paused }) => paused);
};

function settle(turn: PoolTurn, result: PoolEvent & { readonly kind: "result" }): void {
  const { state, now } = turn;
  const { id, ok, detail } = result;
  if (state.persisting?.id === id) {
    const { record } = state.persisting;
    if (!ok) {
      log(turn, "action.failed", `the durable record: ${detail}`, "error");
      return change(turn, { persisting: null });
    }
    change(turn, { persisting: null, durable: record, urgent: true });
    // Followers of the epoch before are none of this one.
    if (record.epoch !== state.durable.epoch && elects(state.config))
      change(turn, { ...endLead(state), votedAt: now, freshVote: record.owner === state.config.hostId });
    if (turn.state.maintaining !== null && record.flags.maintenance)
      change(turn, { maintaining: { ...turn.state.maintaining, writtenAt: now } });
    return;
  }
  if (state.doing?.id === id) {
    if (!ok) log(turn, "action.failed", `${state.doing.kind}: ${detail}`, "error");
    return change(turn, { doing: null, retryAt: ok ? now : now + 1_000 });
  }
  const ended = (attempt: Attempt): Attempt => ({ ...attempt, phase: ok ? "done" : "failed", at: now });
  if (state.promotion?.id === id) {
    if (!ok) log(turn, "pool.step", `Cannot take the master role: ${detail}`, "warn");
    return change(turn, { promotion: ended(state.promotion) });
  }
  if (state.supporters?.id === id) {
    log(turn, "pool.step", detail, ok ? "info" : "warn");
    return change(turn, { supporters: ended(state.supporters) });
  }
  for (const [hostId, one] of Object.entries(state.neighbours)) {
    if (one.fence.pending === id)
      return changeHost(turn, hostId, { fence: fenced(turn, hostId, one.fence, ok, detail) });
    if (one.recovery?.id === id) {
      log(turn, "vm.started", `${hostId}: ${detail}`, ok ? "info" : "warn");
      return changeHost(turn, hostId, { recovery: ended(one.recovery) });
    }
  }
}

function fenced(turn: PoolTurn, hostId: string, fence: FenceState, ok: boolean, detail: string): FenceState {
  const { state, now } = turn;
  log(turn, ok ? "fence.confirmed" : "fence.failed", `${hostId}: ${detail}`, ok ? "info" : "error");
  if (!ok) alert(turn, `fence:${hostId}`, `${hostId} could not be powered off: ${detail}`);
  // D14: each host has its own back-off.
  const waitMs = state.config.timers.fence * 2 ** (fence.attempts - 1);
  return ok
    ? { ...fence, pending: null, verifiedAt: now, lastFailure: null }
    : { ...fence, pending: null, nextAt: now + waitMs, lastFailure: detail };
}
