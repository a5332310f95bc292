// A split brain is ended by a person alone (D11, A18): the host on which that is said keeps its data, the other one gives its
// copy up and is filled again. Both hosts look for themselves before anything is lost, and nothing here begins by itself.

import { allConnected, inContact, isOwner, looked, serving, view } from "../facts.ts";
import type { HeartbeatBody } from "../model/peer.ts";
import type { OwedAnswer, PendingCommand, State } from "../model/state.ts";
import type { Instant, Millis } from "../model/time.ts";
import { ask, effect, log, persist, type Turn } from "../turn.ts";
import { end, reply, to, wait } from "./command-reply.ts";
import { strangers, usable } from "./ownership.ts";

/** The victim's snapshot and its three orders to DRBD, on a slow disk. */
const DISCARD_MS: Millis = 35_000;
/** Longer than DRBD's own connect-int; together less than the tools wait. */
const CONNECT_MS: Millis = 20_000;

const seeStatus = "see 'iscsi-cfg status' on both hosts";

/** Both own one epoch, and a person has joined the copies already: only the ownership is left to be given up. */
const bothOwn = (state: State, body: HeartbeatBody): boolean =>
  isOwner(state) && body.owner === state.config.peerId && body.epoch === state.durable.epoch;

/**
 * A resource that is apart for another reason: whoever owns the storage afterwards would fill it from the copy that is
 * older, or serve without it.
 */
const astray = (state: State, parted: readonly string[]): string | undefined =>
  state.config.resources.find((r) => view(state, r)?.connection !== "Connected" && !parted.includes(r));

/**
 * Why nothing can be resolved from here; the resources otherwise. A copy that is only Consistent may stay: which one is the
 * newest is what the person decides.
 */
function resolvable(state: State, now: Instant): readonly string[] | string {
  const { body } = state.peer;
  if (!inContact(state, now) || body === null) return "the other host does not answer: both must agree";
  if (!looked(state) || !body.joined) return "the storage of one host has not been looked at yet";
  if (body.epoch !== state.durable.epoch) return "the hosts are not in the same epoch yet";
  const resources = strangers(state, body);
  if (resources.length === 0 && !(bothOwn(state, body) && allConnected(state)))
    return "no resource has copies that grew apart";
  const spoilt = resources.find((resource) => usable(view(state, resource)?.disk) === 0);
  if (spoilt !== undefined)
    return `the copy of ${spoilt} on this host is ${view(state, spoilt)?.disk ?? "unknown"}: choose the other host's`;
  const other = astray(state, resources);
  if (other !== undefined) return `${other} is not connected, and its copies did not grow apart: connect it first`;
  if (body.serving) return "the other host serves the storage: it is not given up under its VMs";
  if (body.busy || state.activity !== null || state.claim !== null || state.handover !== null)
    return "the storage is changing hands just now";
  return resources;
}

/** An operator's word on the host whose data stays. `snapshot`: the victim's copy is kept where LVM can. */
export function resolveSplit(turn: Turn, id: number, snapshot: boolean): void {
  const resources = resolvable(turn.state, turn.now);
  if (typeof resources === "string") return reply(turn, id, "refused", resources, seeStatus, "D11");
  log(
    turn,
    "drbd.discarded",
    resources.length === 0
      ? "the other host gives its ownership up, by an operator's choice"
      : `${resources.join(", ")}: the copies of the other host are given up by an operator`,
    "warn",
  );
  const pending = ask(turn, { kind: "discard", resources, epoch: turn.state.durable.epoch, snapshot }, DISCARD_MS);
  wait(turn, id, "resolve-split-brain", "discard", pending);
}

export function progressResolve(turn: Turn, command: PendingCommand, waitedMs: Millis): void {
  const { state } = turn;
  switch (command.phase) {
    case "discard:no":
      return end(turn, command, "refused", `the other host did not give its copy up: ${command.said ?? ""}`, seeStatus);
    case "discard:silent":
      return end(turn, command, "failed", "the other host did not say whether it gave its copy up", seeStatus);
    case "discard:yes":
      for (const resource of standAlone(state)) effect(turn, { kind: "drbd-connect", resource });
      return to(turn, command, "connect");
    default:
      if (state.config.resources.every((resource) => view(state, resource)?.connection === "Connected"))
        return end(
          turn,
          command,
          "done",
          command.said === undefined
            ? "this host alone owns the storage, the copies were connected already"
            : `this host's data stays, the other host is filled from it; there: ${command.said}`,
        );
      if (waitedMs > DISCARD_MS + CONNECT_MS)
        return end(turn, command, "failed", "DRBD did not connect although the other host gave its copy up", seeStatus);
  }
}

const standAlone = (state: State): readonly string[] =>
  state.config.resources.filter((resource) => view(state, resource)?.connection === "StandAlone");

/** Why this host must not give its copies up; undefined: it may. */
function keeps(
  state: State,
  body: HeartbeatBody | null,
  resources: readonly string[],
  epoch: number,
): string | undefined {
  if (body === null) return "it has not heard the asking host";
  // Each would give its copy up for the sake of the other one's.
  if (state.commands.some(({ kind }) => kind === "resolve-split-brain"))
    return "an operator chose the data of that host as well: say it on one of them";
  if (epoch !== state.durable.epoch) return `it is in epoch ${state.durable.epoch}`;
  if (serving(state)) return "it serves the storage";
  if (state.activity !== null || state.claim !== null || state.handover !== null) return "it is changing its own state";
  if (resources.length === 0 && !bothOwn(state, body)) return "it sees nothing to give up";
  const here = strangers(state, body);
  const other = resources.find((resource) => !here.includes(resource));
  if (other !== undefined) return `its copy of ${other} has not grown apart`;
  const spoilt = resources.find((resource) => usable(body.resources[resource]?.disk) === 0);
  if (spoilt !== undefined) return `the asking host's copy of ${spoilt} is not whole`;
  const left = astray(state, resources);
  return left === undefined ? undefined : `its copy of ${left} is not connected, and was not asked for`;
}

/** What is done to the copies of this host once its record is on the disk. */
export type Discards = NonNullable<OwedAnswer["discards"]>;

/**
 * Asked for by the host whose data stays. What this host owned it owns no more, durably, before any copy is touched: the
 * other one goes on as the owner that is named here too, or takes what nobody owns (D13). The id is that of the write; a
 * text is the reason against it.
 */
export function disown(turn: Turn, request: Discards & { readonly epoch: number }): number | string {
  const { state } = turn;
  const { body } = state.peer;
  const against = keeps(state, body, request.resources, request.epoch);
  if (against !== undefined) return against;
  const { durable, config } = state;
  const successor = body !== null && bothOwn(state, body) ? config.peerId : null;
  // What says of a copy that stays that the other one is behind is as true as before.
  const solo = Object.fromEntries(Object.entries(durable.solo).filter(([r]) => !request.resources.includes(r)));
  const owner = isOwner(state) ? successor : durable.owner;
  const write = persist(turn, { owner, solo }, "given up by an operator's choice (D11)");
  return write ?? "another durable change is being written: try again";
}

/** The record is durable: the copies are given up, if nothing came between. The effects' ids, or the reason against it. */
export function discardOwn(turn: Turn, { resources, snapshot }: Discards): readonly number[] | string {
  const { state } = turn;
  // Where no copy is given up the deed is done.
  if (resources.length === 0) return [];
  const against = keeps(state, state.peer.body, resources, state.durable.epoch);
  if (against !== undefined) return against;
  log(turn, "drbd.discarded", `${resources.join(", ")}: this copy is given up by an operator's choice`, "warn");
  return resources.map((resource) => effect(turn, { kind: "drbd-discard", resource, snapshot }));
}
