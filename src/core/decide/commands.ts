// What an operator asks of this host, with every guard of spec part 5. A command ends with exactly one reply.

import { assertNever } from "../../util/assert.ts";
import { inContact, isOwner, peerOwns, serving, silenceMs, view } from "../facts.ts";
import type { Command } from "../model/event.ts";
import { valueOf } from "../model/observation.ts";
import type { PendingCommand } from "../model/state.ts";
import { ask, change, log, persist, type Turn } from "../turn.ts";
import { inForce } from "../rules.ts";
import { witnessSilent } from "../witness.ts";
import { begin } from "./begin.ts";
import { end, reply, to, wait } from "./command-reply.ts";
import { forgetMoves } from "./flap.ts";
import { claim, releaseRefusal } from "./ownership.ts";
import { progressResolve, resolveSplit } from "./resolve.ts";
import { keepYielding, mayYield, peerYields, progressYield, releaseToNobody } from "./yield.ts";
import { expirePause, leave, pause, progressLeave, progressPause } from "./stopping.ts";

const seeStatus = "see 'iscsi-cfg status'";

export function acceptCommand(turn: Turn, id: number, command: Command): void {
  const stops = command.kind === "leave" || command.kind === "pause";
  if (turn.state.commands.length > 0 && command.kind !== "confirm-peer-off" && !stops)
    return reply(turn, id, "refused", "another command is still running", "wait for it to end, then try again");
  if (!stops) forgetMoves(turn);
  switch (command.kind) {
    case "enable":
      return enable(turn, id, command.force);
    case "disable":
      return disable(turn, id, command.force);
    case "manual":
      return manual(turn, id, command.on, command.force);
    case "maintenance":
      if (command.on && isOwner(turn.state))
        return reply(turn, id, "refused", "this host owns the storage (A11)", "run 'iscsi-cfg switch' first", "A11");
      return wait(turn, id, "maintenance", command.on ? "on" : "off");
    case "become-primary":
      return becomePrimary(turn, id, command.force);
    case "become-secondary":
      return becomeSecondary(turn, id);
    case "switch":
      return switchOver(turn, id, command.storageOnly);
    case "resolve-split-brain":
      return resolveSplit(turn, id, command.snapshot);
    case "leave":
      return leave(turn, id);
    case "pause":
      return pause(turn, id);
    case "confirm-peer-off":
      if (inContact(turn.state, turn.now))
        return reply(turn, id, "refused", "the other host answers: it is not off", seeStatus, "D14");
      change(turn, { fence: { ...turn.state.fence, confirmed: true }, blocked: null, suspected: true });
      log(turn, "fence.confirmed", "an operator confirmed that the other host is off (A19)", "warn");
      return reply(turn, id, "done", "noted: the other host is off");
    default:
      return assertNever(command);
  }
}

/** What stands against HA on this pool; empty = nothing (A3, I-f, D1). With FENCE_ENABLED=0 nothing is voted on. */
export function enableRefusals(turn: Turn): string[] {
  const { state, now } = turn;
  const { config } = state;
  const reasons: string[] = [];
  const needsVote = config.fenceEnabled && (config.policy === "vote" || config.policy === "strict+vote");
  if (needsVote && config.heuristics.length === 0)
    reasons.push("FENCE_HEURISTICS_IPS is empty: without it there is no vote (A3)");
  const silent = config.fenceEnabled ? witnessSilent(state, now) : undefined;
  if (silent !== undefined) reasons.push(`${silent}: without the witness there is no takeover (A5)`);
  if (!inContact(state, now)) reasons.push("the other host does not answer");
  const body = state.peer.body;
  if (body !== null && body.cfgHash !== config.cfgHash)
    reasons.push("the two hosts have different timers, policy or heuristics (I-f)");
  if (config.resources.length === 0) reasons.push("DRBD_RESOURCES is empty");
  for (const resource of config.resources)
    if (view(state, resource) === undefined) reasons.push(`DRBD resource ${resource} is not up`);
  return reasons;
}

function enable(turn: Turn, id: number, force: boolean): void {
  const { state } = turn;
  if (state.durable.ha === "on" && state.durable.peerHa === "on") return reply(turn, id, "done", "HA is enabled");
  const reasons = enableRefusals(turn);
  if (reasons.length > 0 && !force)
    return reply(turn, id, "refused", reasons.join("; "), "mend this, then run 'ha-cfg enable' again", "D1");
  const pending = ask(turn, { kind: "prepare-mode", ha: "on", operator: "enable" }, 2_000);
  wait(turn, id, "enable", "prepare", pending);
}

/** A4: this host first forbids its own takeovers, durably; self-fencing and watchdog stay until the other host agreed. */
function disable(turn: Turn, id: number, force: boolean): void {
  if (turn.state.durable.ha === "off" && turn.state.durable.peerHa === "off")
    return reply(turn, id, "done", "HA is disabled");
  if (!inForce(turn.state.config, "A4")) return wait(turn, id, "disable", "prepare:yes");
  wait(turn, id, "disable", force ? "forbid-forced" : "forbid");
}

function manual(turn: Turn, id: number, on: boolean, force: boolean): void {
  const { state } = turn;
  if (state.durable.flags.manual === on) return reply(turn, id, "done", `manual mode is ${on ? "on" : "off"}`);
  if (!on && !force) {
    const role = valueOf(state.xapi)?.role;
    const native = role === undefined ? undefined : (role === "master") === isOwner(state);
    if (native !== true) {
      const is = isOwner(state) ? "primary" : "secondary";
      const text =
        native === undefined
          ? "the role of this host in the pool is not known"
          : `storage is ${is} on this host, but its toolstack is ${role ?? "unknown"}`;
      return reply(turn, id, "refused", text, "bring both hosts back to their native storage roles first", "D1");
    }
  }
  wait(turn, id, "manual", on ? "on" : "off");
}

function becomeSecondary(turn: Turn, id: number): void {
  const { state } = turn;
  if (!state.durable.flags.manual)
    return reply(
      turn,
      id,
      "refused",
      "this host is not in manual mode",
      "run 'iscsi-cfg manual-mode-enable' first",
      "D1",
    );
  if (!isOwner(state) && !serving(state)) return reply(turn, id, "done", "storage is secondary on this host");
  if (state.activity !== null || state.handover !== null)
    return reply(turn, id, "refused", "the storage is changing hands just now", seeStatus);
  // With both hosts in manual mode the other one is prepared (spec part 5): a script that says become-primary there next
  // gets a planned hand-over instead of an outage as long as two commands take.
  if (mayYield(state, turn.now)) return wait(turn, id, "become-secondary", "yield");
  releaseToNobody(turn);
  wait(turn, id, "become-secondary", "release");
}

function becomePrimary(turn: Turn, id: number, force: boolean): void {
  const { state, now } = turn;
  const { config } = state;
  if (!state.durable.flags.manual)
    return reply(
      turn,
      id,
      "refused",
      "this host is not in manual mode",
      "run 'iscsi-cfg manual-mode-enable' first",
      "D1",
    );
  if (isOwner(state) && (serving(state) || inContact(state, now)))
    return reply(turn, id, "done", "storage is primary on this host");
  // Whether a copy that is only Consistent is the newest the other host knows; where that one is gone for good a person decides.
  const alone = !inContact(state, now) && state.fence.confirmed && force;
  const yielded = peerYields(state, now);
  for (const resource of config.resources) {
    const v = view(state, resource);
    const disk = v?.disk ?? "unknown";
    if (disk === "Consistent" && !alone) {
      const text = `the disk of ${resource} is Consistent here: only the other host knows whether it is the newest`;
      const next =
        "wait for the other host; if it is gone for good run 'iscsi-cfg confirm-peer-off', then become-primary --force";
      return reply(turn, id, "refused", text, next, "D12");
    }
    if (disk !== "UpToDate" && disk !== "Consistent") {
      const text = `the disk of ${resource} is ${disk} here: promoting it would lose what only the other copy has`;
      return reply(turn, id, "refused", text, "wait for the resync, or use the other host", "V4");
    }
    if (state.peer.body?.resources[resource]?.solo === true && v?.connection !== "Connected" && inContact(state, now))
      return reply(
        turn,
        id,
        "refused",
        `the newest copy of ${resource} is on the other host`,
        "let DRBD connect first, or use the other host",
        "A2",
      );
    if (v?.peerRole === "Primary" && !yielded)
      return reply(
        turn,
        id,
        "refused",
        `${resource} is Primary on the other host`,
        "run 'iscsi-cfg become-secondary' there first",
        "V1",
      );
  }
  if (state.probes.conflictMac !== null)
    return reply(
      turn,
      id,
      "refused",
      `the floating IP is answered by ${state.probes.conflictMac}`,
      "find that machine first",
      "V1",
    );
  const body = state.peer.body;
  if (!inContact(state, now)) {
    if (!state.fence.confirmed) {
      const text = `the other host is silent for ${Math.round(silenceMs(state, now) / 1000)} s and not proven off`;
      return reply(turn, id, "refused", text, "make sure that it is off, then run 'iscsi-cfg confirm-peer-off'", "A19");
    }
    if (!force) {
      const text = "writes that only the other host has would be lost";
      return reply(turn, id, "refused", text, "add --force to accept that", "D12");
    }
    const solo = Object.fromEntries(config.resources.map((r) => [r, true]));
    const record = { epoch: state.durable.epoch + 1, owner: config.hostId, solo };
    begin(turn, { kind: "activate", why: "become-primary by an operator, the other host is off (A19)", record });
    return wait(turn, id, "become-primary", "activate");
  }
  if (yielded) {
    const pending = ask(turn, { kind: "hand-over", to: config.hostId, operator: "become-primary" }, 1_000);
    return wait(turn, id, "switch", "to-me", pending);
  }
  if (body !== null && (body.serving || body.owner === config.peerId))
    return reply(
      turn,
      id,
      "refused",
      "the other host owns the storage",
      "run 'iscsi-cfg become-secondary' there first",
      "V1",
    );
  if (state.activity !== null || state.claim !== null)
    return reply(turn, id, "refused", "the storage is changing hands just now", seeStatus);
  claim(turn, true);
  wait(turn, id, "become-primary", "claim");
}

function switchOver(turn: Turn, id: number, storageOnly: boolean): void {
  const { state, now } = turn;
  if (state.activity !== null || state.handover !== null || state.claim !== null)
    return reply(turn, id, "refused", "the storage is changing hands just now", seeStatus);
  if (isOwner(state)) {
    const refusal = releaseRefusal(state, now);
    if (refusal !== undefined) return reply(turn, id, "refused", refusal, seeStatus, "A9");
    change(turn, { designate: !storageOnly });
    begin(turn, { kind: "release", why: "switch by an operator", to: "peer" });
    return wait(turn, id, "switch", "to-peer");
  }
  if (!peerOwns(state) || !inContact(state, now))
    return reply(turn, id, "refused", "no host in contact owns the storage", seeStatus, "A9");
  const pending = ask(turn, { kind: "hand-over", to: state.config.hostId, operator: "switch" }, 1_000);
  wait(turn, id, "switch", "to-me", pending);
}

export function progressCommands(turn: Turn): void {
  expirePause(turn);
  keepYielding(turn);
  for (const command of turn.state.commands) progress(turn, command);
}

function progress(turn: Turn, command: PendingCommand): void {
  if (command.pending !== null) return;
  const waitedMs = turn.now - command.startedAt;
  switch (command.kind) {
    case "enable":
      return progressEnable(turn, command, waitedMs);
    case "disable":
      return progressDisable(turn, command, waitedMs);
    case "manual":
    case "maintenance": {
      const flags = { ...turn.state.durable.flags, [command.kind]: command.phase === "on" };
      if (turn.state.durable.flags[command.kind] === (command.phase === "on")) {
        log(turn, "mode.changed", `${command.kind} mode is ${command.phase}`);
        turn.actions.push({ kind: "beat" });
        return end(turn, command, "done", `${command.kind} mode is ${command.phase} on this host`);
      }
      if (waitedMs > 5_000)
        return end(turn, command, "failed", "the durable record could not be written", "is the disk full?");
      persist(turn, { flags }, `${command.kind} mode ${command.phase}`);
      return;
    }
    case "switch":
      return progressSwitch(turn, command, waitedMs);
    case "resolve-split-brain":
      return progressResolve(turn, command, waitedMs);
    case "leave":
      return progressLeave(turn, command, waitedMs);
    case "pause":
      return progressPause(turn, command, waitedMs);
    case "become-primary":
      if (isOwner(turn.state) && serving(turn.state))
        return end(turn, command, "done", "storage is primary on this host");
      if (waitedMs > 15_000 || (turn.state.claim === null && turn.state.activity === null && waitedMs > 1_000))
        return end(turn, command, "failed", "the storage could not be taken", "see 'iscsi-cfg log'");
      return;
    case "become-secondary":
      if (command.phase === "yield") return progressYield(turn, command, waitedMs);
      if (turn.state.activity !== null) return;
      if (isOwner(turn.state))
        return end(turn, command, "failed", "the storage could not be released", "see 'iscsi-cfg log'");
      return end(turn, command, "done", "storage is secondary on this host");
    default:
      return assertNever(command.kind);
  }
}

function progressSwitch(turn: Turn, command: PendingCommand, waitedMs: number): void {
  const { state } = turn;
  const body = state.peer.body;
  if (command.phase === "to-me:no" || command.phase === "to-me:silent")
    return end(turn, command, "refused", "the other host did not agree to the switch", "run 'iscsi-cfg explain' there");
  if (command.phase === "to-peer" && state.activity === null && state.handover === null) {
    if (isOwner(state)) return end(turn, command, "failed", "the switch was rolled back", "see 'iscsi-cfg log'");
    if (body?.owner === state.config.peerId && body.serving)
      return end(turn, command, "done", "the other host serves the storage");
  }
  if (command.phase.startsWith("to-me") && isOwner(state) && serving(state))
    return end(turn, command, "done", "this host serves the storage");
  if (waitedMs > 15_000) end(turn, command, "failed", "the switch did not end within 15 s", "see 'iscsi-cfg log'");
}

function progressEnable(turn: Turn, command: PendingCommand, waitedMs: number): void {
  const { state } = turn;
  switch (command.phase) {
    case "prepare:yes":
      if (persist(turn, { ha: "on", peerHa: "on" }, "HA on") !== undefined) to(turn, command, "arm");
      return;
    case "prepare:no":
      return end(turn, command, "refused", `the other host did not agree: ${command.said ?? ""}`, "mend this there");
    case "prepare:silent":
      return end(turn, command, "refused", "the other host did not answer", "is its daemon running?");
    case "arm": {
      if (state.persisting !== null) return;
      if (state.durable.ha !== "on")
        return end(turn, command, "failed", "the durable record could not be written", "is the disk full?");
      // A6: enabled only when every host reports its watchdog armed.
      const armed = !state.config.watchdogUsed || (state.watchdogArmed && state.peer.body?.watchdogArmed === true);
      if (armed) {
        log(turn, "mode.changed", "HA is on");
        turn.actions.push({ kind: "beat" });
        return end(turn, command, "done", "HA is enabled on both hosts");
      }
      if (waitedMs > 20_000)
        end(turn, command, "failed", "a watchdog could not be armed", "see 'iscsi-cfg log' on both hosts");
      return;
    }
    default:
      return;
  }
}

function progressDisable(turn: Turn, command: PendingCommand, waitedMs: number): void {
  const { state } = turn;
  const forced = command.phase.includes("forced");
  const tag = forced ? "-forced" : "";
  switch (command.phase) {
    case "forbid":
    case "forbid-forced":
      if (state.durable.ha === "leaving" && state.persisting === null) {
        const pending = ask(turn, { kind: "prepare-mode", ha: "leaving", operator: "disable" }, 2_000);
        return to(turn, command, `prepare${tag}`, pending);
      }
      if (waitedMs > 5_000)
        return end(turn, command, "failed", "the durable record could not be written", "is the disk full?");
      persist(turn, { ha: "leaving" }, "HA is leaving (A4)");
      return;
    case "prepare:no":
    case "prepare:silent": {
      // A4: nobody knows whether the other host heard it: it counts as not enabled until it says otherwise.
      const peerHa = command.phase === "prepare:silent" ? ("leaving" as const) : state.durable.peerHa;
      if (persist(turn, { ha: "on", peerHa }, "disable was not agreed") === undefined) return;
      return end(
        turn,
        command,
        "refused",
        "the other host did not agree: HA stays enabled",
        "add --force if it is off for good",
      );
    }
    case "prepare-forced:no":
    case "prepare-forced:silent":
    case "prepare:yes":
    case "prepare-forced:yes":
      if (persist(turn, { ha: "off", peerHa: "off" }, "HA off") === undefined) return;
      ask(turn, { kind: "commit-mode", ha: "off" }, 2_000);
      log(turn, "mode.changed", "HA is off");
      return to(turn, command, "written");
    case "written":
      if (state.persisting !== null) return;
      if (state.durable.ha !== "off")
        return end(turn, command, "failed", "the durable record could not be written", "is the disk full?");
      turn.actions.push({ kind: "beat" });
      return end(turn, command, "done", "HA is disabled");
    default:
      return;
  }
}
