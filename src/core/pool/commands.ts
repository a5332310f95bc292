// What a person asks of this host's pool part, and the stop of its daemon (A7, A13).

import { assertNever } from "../../util/assert.ts";
import { valueOf } from "../model/observation.ts";
import type { Instant } from "../model/time.ts";
import { elects, inContact, isStorageHost, leaderOf, leads, majorityOf, others } from "./facts.ts";
import type { Neighbour, PoolCommand, PoolState } from "./model.ts";
import { change, changeHost, log, persist, type PoolTurn } from "./turn.ts";

export function takeCommand(turn: PoolTurn, id: number, command: PoolCommand): void {
  const { state, now } = turn;
  switch (command.kind) {
    case "enable":
    case "disable": {
      const leader = leaderOf(state, now)?.body?.hostId;
      if (!elects(state.config) || !leads(state, now)) {
        const where = leader === undefined ? "the host that leads the pool; none answers now" : leader;
        return reply(turn, id, "refused", "D1", "only the leader of the pool switches HA", `say it on ${where}`);
      }
      const against = command.kind === "enable" && !command.force ? enableRefusals(state, now) : [];
      if (against.length > 0)
        return reply(turn, id, "refused", "D1", against.join("; "), "mend this, then run 'ha-cfg enable' again");
      const { epoch, owner } = state.durable;
      change(turn, { follow: { epoch, owner, ha: command.kind === "enable" ? "on" : "off" }, urgent: true });
      return reply(turn, id, "done", null, `HA is ${command.kind}d; every host follows with its next report`, "");
    }
    case "maintenance":
      return maintenance(turn, id, command.on);
    case "pause":
    case "leave": {
      const intent = command.kind === "pause" ? "paused" : "leaving";
      const since = state.departure?.intent === intent ? state.departure.since : now;
      return change(turn, { departure: { intent, commandId: id, since, agreed: false }, urgent: true });
    }
    case "confirm-off": {
      const one = state.neighbours[command.hostId];
      if (one === undefined)
        return reply(turn, id, "refused", "A19", "no such host in the pool", "see 'ha-cfg status' for the names");
      if (!leads(state, now))
        return reply(turn, id, "refused", "A19", "this host does not lead the pool", "say it on the host that leads");
      if (inContact(state, one, now))
        return reply(turn, id, "refused", "A19", "that host answers", "nothing has to be confirmed");
      changeHost(turn, command.hostId, { fence: { ...one.fence, confirmed: true } });
      log(turn, "fence.confirmed", `${command.hostId}: confirmed to be off by a person`, "warn");
      return reply(turn, id, "done", null, "confirmed: its VMs start elsewhere", "");
    }
    default:
      return assertNever(command);
  }
}

/** What stands against HA on this pool; empty = nothing (I-f, D1). */
function enableRefusals(state: PoolState, now: Instant): readonly string[] {
  const silent = others(state).filter(([, one]) => !inContact(state, one, now)).length;
  const unlike = others(state).filter(([, { body }]) => body !== null && body.cfgHash !== state.config.cfgHash).length;
  return [
    ...(silent > 0 ? [`${silent} of ${state.config.hosts.length} hosts do not answer`] : []),
    ...(unlike > 0 ? [`${unlike} hosts have other timers, policy or hosts (I-f)`] : []),
    ...(state.config.disarmed === undefined ? [] : [state.config.disarmed]),
  ];
}

/** D1: a host that nobody heard say so could be declared dead, and powered off under the hands of whoever works on it. */
function maintenance(turn: PoolTurn, id: number, on: boolean): void {
  const { state, now } = turn;
  const { config, durable } = state;
  if (state.persisting !== null || state.maintaining !== null)
    return reply(turn, id, "failed", null, "another durable write is under way", "try again");
  const known = durable.ha === "off" || leads(state, now) || leaderAnswers(state, now);
  if (on && !known && !isStorageHost(config))
    return reply(
      turn,
      id,
      "refused",
      "D1",
      "the leader of the pool does not answer, so it cannot know",
      "try again when it does",
    );
  persist(turn, { flags: { ...durable.flags, maintenance: on } });
  if (!on) return reply(turn, id, "done", null, "maintenance is off on this host", "");
  change(turn, { maintaining: { commandId: id, since: now, writtenAt: null } });
}

const AGREE_MS = 5_000;

/** The word is given when a majority, and every host that talks to this one, answered a beat that said it. */
export function progressMaintenance(turn: PoolTurn): void {
  const { state, now } = turn;
  const { maintaining, durable } = state;
  if (maintaining === null) return;
  const { commandId, since, writtenAt } = maintaining;
  const known = durable.ha === "off" || (writtenAt !== null && everybodyKnows(state, writtenAt, now));
  if (writtenAt !== null && known) {
    change(turn, { maintaining: null });
    return reply(turn, commandId, "done", null, "maintenance is on on this host", "");
  }
  if (now - since < AGREE_MS || state.persisting !== null) return;
  persist(turn, { flags: { ...durable.flags, maintenance: false } });
  change(turn, { maintaining: null });
  reply(turn, commandId, "failed", "D1", "the other hosts did not hear of it in time", "try again");
}

function everybodyKnows(state: PoolState, since: Instant, now: Instant): boolean {
  const knows = (one: Neighbour): boolean => one.answeredAt !== null && one.answeredAt >= since;
  const known = others(state).filter(([, one]) => knows(one)).length;
  return (
    known + 1 >= majorityOf(state.config) && others(state).every(([, one]) => knows(one) || !inContact(state, one, now))
  );
}

const leaderAnswers = (state: PoolState, now: Instant): boolean => {
  const leader = leaderOf(state, now);
  return leader !== undefined && inContact(state, leader, now);
};

/** A stop is agreed when a majority knows of it: too few are left to bar this host (A7). */
export function progressDeparture(turn: PoolTurn): void {
  const { state } = turn;
  const { departure, config } = state;
  if (departure === null || departure.agreed || isStorageHost(config)) return;
  const gone = departure.intent === "paused" || valueOf(state.domains)?.length === 0;
  const heard = others(state).filter(([, one]) => one.supportAt !== null && one.supportAt >= departure.since).length;
  const known = heard + 1 >= majorityOf(config);
  if (state.durable.ha !== "off" && (!gone || !known)) return;
  change(turn, { departure: { ...departure, agreed: true } });
  reply(turn, departure.commandId, "done", null, "the other hosts know of the stop", "");
}

function reply(
  turn: PoolTurn,
  id: number,
  outcome: "done" | "refused" | "failed",
  rule: string | null,
  text: string,
  next: string,
): void {
  turn.actions.push({ kind: "command-reply", id, outcome, rule, text, next });
}
