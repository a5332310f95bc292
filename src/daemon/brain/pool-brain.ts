// The part of the brain that decides about the pool beyond the storage pair, in the brain's thread. On a storage host it
// runs beside the pair's decision; on every other host it is the whole brain.

import { performance } from "node:perf_hooks";
import type { Explanation } from "../../core/explain.ts";
import { beatFor } from "../../core/pool/beats.ts";
import { explainPool } from "../../core/pool/explain.ts";
import { leaderOf, leads, restartRefusal } from "../../core/pool/facts.ts";
import { initialPoolState, type PoolStart } from "../../core/pool/initial.ts";
import type { PairFacts, PoolAction, PoolEvent, PoolState } from "../../core/pool/model.ts";
import { ownVmsRefusal } from "../../core/pool/own-vms.ts";
import { poolStep } from "../../core/pool/step.ts";
import type { MemberLink, MemberLinkOptions } from "../../drivers/peer/member-link.ts";
import type { PeerKeys } from "../../drivers/peer/port.ts";
import type { WatchdogPort } from "../../drivers/watchdog/port.ts";

export type PoolOutsideEvent = Exclude<PoolEvent, { readonly kind: "tick" | "beat" | "pair" }>;

/** Actions that end in the brain's own thread. */
type PoolInnerAction = PoolAction & { readonly kind: "beat" | "token" | "watchdog-arm" | "watchdog-disarm" };
export type PoolOuterAction = Exclude<PoolAction, PoolInnerAction>;

export interface PoolBrainStart extends PoolStart {
  /** Of the pool's hosts, by UUID. */
  readonly names: Readonly<Record<string, string>>;
  readonly link: Omit<MemberLinkOptions, "now" | "onBeat" | "onDropped">;
}

export interface PoolSnapshot {
  readonly state: PoolState;
  readonly leads: boolean;
  /** Who leads, as far as this host knows. */
  readonly leader: string | null;
  /** D7 per host at this moment: null means that its VMs may be started elsewhere. */
  readonly restartRefusals: Readonly<Record<string, string | null>>;
  /** May it start VMs that ought to run? Null: it may. */
  readonly ownVmsRefusal: string | null;
  readonly explanations: readonly Explanation[];
}

export type FromPoolBrain =
  | { readonly kind: "pool-actions"; readonly actions: readonly PoolOuterAction[] }
  | { readonly kind: "pool-snapshot"; readonly snapshot: PoolSnapshot }
  | { readonly kind: "dropped"; readonly reason: string; readonly count: number };

export interface PoolBrainParts {
  readonly link: (options: MemberLinkOptions) => MemberLink;
  /** Null on a storage host, whose watchdog is the pair's. */
  readonly watchdog: WatchdogPort | null;
  /** The hands have shown a pulse lately. */
  readonly handsAlive: () => boolean;
  /** What the pair's decision says at this instant; null on a host that holds no copy of the storage. */
  readonly pair: (() => PairFacts) | null;
  readonly send: (message: FromPoolBrain) => void;
}

export interface PoolBrain {
  feed(event: PoolOutsideEvent): void;
  /** The pair's decision had a turn. */
  pairMoved(): void;
  setKeys(keys: PeerKeys): void;
  stop(): Promise<void>;
}

const TICK_MS = 250;
const SNAPSHOT_MS = 1_000;

export async function startPoolBrain(start: PoolBrainStart, parts: PoolBrainParts): Promise<PoolBrain> {
  const now = (): number => performance.now();
  let state = initialPoolState(start, now());
  let shown = "";
  let shownAt = -Infinity;
  const link = parts.link({
    ...start.link,
    now,
    onBeat: (heard) => feed({ kind: "beat", heard }),
    onDropped: (reason, count) => parts.send({ kind: "dropped", reason, count }),
  });

  function feed(event: PoolEvent): void {
    refresh();
    advance(event);
  }

  /** Before anything else is decided: after a stall what the pair said last may be long past. */
  function refresh(): void {
    if (parts.pair === null) return;
    const facts = parts.pair();
    const before = state.pair;
    const isNews =
      before === null || (Object.keys(facts) as (keyof PairFacts)[]).some((key) => facts[key] !== before[key]);
    if (isNews) advance({ kind: "pair", facts });
  }

  function advance(event: PoolEvent): void {
    const at = now();
    const step = poolStep(state, event, at);
    state = step.state;
    const outer = step.actions.filter((action): action is PoolOuterAction => !inner(action));
    show(at);
    if (outer.length > 0) parts.send({ kind: "pool-actions", actions: outer });
  }

  /** True when the action was for this thread. */
  function inner(action: PoolAction): boolean {
    switch (action.kind) {
      case "beat":
        link.beat(action.to, beatFor(state, action.to, action.asks, now()));
        return true;
      case "token":
        if (parts.handsAlive()) parts.watchdog?.token();
        return true;
      case "watchdog-arm":
      case "watchdog-disarm":
        void watchdog(action.kind, action.id);
        return true;
      default:
        return false;
    }
  }

  async function watchdog(kind: "watchdog-arm" | "watchdog-disarm", id: number): Promise<void> {
    const port = parts.watchdog;
    if (port === null) return feed({ kind: "result", id, ok: false, detail: "no watchdog device is configured" });
    const result = kind === "watchdog-arm" ? await port.arm() : await port.disarm();
    feed({ kind: "watchdog", armed: port.armed() });
    feed({ kind: "result", id, ok: result.ok, detail: result.ok ? kind : `${kind}: ${result.error.kind}` });
  }

  /** What the hands ask for permission by travels before the actions that follow from it. */
  function show(at: number): void {
    const text = JSON.stringify([
      [state.leadsSince, state.bars, state.dead, state.softFenced, state.durable.ha, state.departure],
      Object.values(state.neighbours).map((one) => [one.recovery?.phase, one.quorumAt !== null]),
    ]);
    if (text === shown && at - shownAt < SNAPSHOT_MS) return;
    shown = text;
    shownAt = at;
    const ids = Object.keys(state.neighbours);
    const refusals = ids.map((id): [string, string | null] => [id, restartRefusal(state, id, at) ?? null]);
    const isLeader = leads(state, at);
    parts.send({
      kind: "pool-snapshot",
      snapshot: {
        state,
        leads: isLeader,
        leader: isLeader ? state.config.hostId : (leaderOf(state, at)?.body?.hostId ?? null),
        restartRefusals: Object.fromEntries(refusals),
        ownVmsRefusal: ownVmsRefusal(state, at) ?? null,
        explanations: explainPool(state, at, (id) => start.names[id] ?? id),
      },
    });
  }

  await link.start();
  const tick = setInterval(() => {
    if (parts.watchdog !== null && parts.watchdog.armed() !== state.watchdogArmed)
      feed({ kind: "watchdog", armed: parts.watchdog.armed() });
    feed({ kind: "tick" });
  }, TICK_MS);
  return {
    feed,
    pairMoved: refresh,
    setKeys: (keys) => link.setKeys(keys),
    async stop() {
      clearInterval(tick);
      await link.stop();
    },
  };
}
