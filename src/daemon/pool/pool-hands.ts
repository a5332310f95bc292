// What the hands do with the actions of the pool's decision. Each procedure asks the newest decision again right before
// each dangerous call.

import { becomeMaster } from "../../act/pool/become-master.ts";
import { recoverPeerVms, type Survivor } from "../../act/pool/recover-vms.ts";
import { recoverSupporters } from "../../act/pool/recover-supporters.ts";
import { destroyAll, durably, pauseAll, stored, unpauseAll, type Outcome } from "../../act/execute.ts";
import type { Lanes } from "../../act/lanes.ts";
import type { Config } from "../../config/config.ts";
import { valueOf } from "../../core/model/observation.ts";
import { inContact } from "../../core/pool/facts.ts";
import { commandsSupporters } from "../../core/pool/recovery.ts";
import type { Drivers } from "../drivers.ts";
import type { StorePort } from "../../drivers/store/port.ts";
import type { Result } from "../../util/result.ts";
import { assertNever } from "../../util/assert.ts";
import { withoutRepeats, type Tell } from "../../report/repeats.ts";
import type { Alerts } from "../alerts/alerts.ts";
import type { MemberBars } from "./member-bars.ts";
import type { PoolOuterAction, PoolOutsideEvent, PoolSnapshot } from "../brain/pool-brain.ts";
import type { PoolPart } from "./pool-part.ts";
import { policyOf } from "../vms/vm-watch.ts";

export interface PoolHandsParts {
  readonly drivers: Pick<Drivers, "domains" | "fence">;
  readonly store: StorePort;
  readonly pool: Pick<PoolPart, "perform">;
  readonly lanes: Lanes;
  readonly config: () => Config;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  /** Whoever answers the tools hears the decision's answer to a command. */
  readonly control: { settle(action: PoolOuterAction & { readonly kind: "command-reply" }): void };
  readonly feed: (event: PoolOutsideEvent) => void;
  /** D16; null on a host that serves no storage. */
  readonly bars: Pick<MemberBars, "bar" | "follow"> | null;
  /** Tells what runs here after something was done to it. */
  readonly lookAtDomains: () => Promise<void>;
  readonly log: Tell;
}

export interface PoolHands {
  readonly perform: (actions: readonly PoolOuterAction[]) => void;
  readonly keep: (snapshot: PoolSnapshot) => void;
  /** Null: the pool is the pair alone, or the brain has not told anything yet. */
  readonly snapshot: () => PoolSnapshot | null;
  /** Hosts that may be given VMs now, with what runs on them; null without a decision of the pool. */
  readonly survivors: (lostHost: string) => readonly Survivor[] | null;
  /** What runs on each other host, by its newest beat; null: it does not answer now. */
  readonly domains: () => ReadonlyMap<string, ReadonlySet<string> | null>;
  readonly hears: (hostId: string) => boolean;
}

type Effect = Extract<PoolOuterAction, { readonly id: number }> & {
  readonly kind: Exclude<PoolOuterAction["kind"], "command-reply">;
};

export function createPoolHands(parts: PoolHandsParts): PoolHands {
  const tell = withoutRepeats(parts.log, () => performance.now());
  let newest: PoolSnapshot | null = null;
  /** declare_dead makes xapi forget where these ran; a later attempt finds them here. */
  const ranAt = new Map<string, string>();

  const domainsOf = (hostId: string): ReadonlySet<string> | null => {
    const one = newest?.state.neighbours[hostId];
    const known = one?.body?.domains ?? null;
    if (newest === null || one === undefined || known === null) return null;
    // The state's instants are of the same monotonic clock as this thread's.
    return inContact(newest.state, one, performance.now()) ? new Set(known) : null;
  };

  /** What the newest beats said runs where is newer than any database. */
  function lastSeen(): ReadonlyMap<string, string> {
    const seen = new Map(ranAt);
    for (const [hostId, one] of Object.entries(newest?.state.neighbours ?? {}))
      for (const uuid of one.body?.domains ?? []) seen.set(uuid, hostId);
    const own = newest === null ? undefined : valueOf(newest.state.domains);
    for (const { uuid } of own ?? []) seen.set(uuid, parts.config().self.uuid);
    return seen;
  }

  async function localDomains(): Promise<ReadonlySet<string> | null> {
    const list = await parts.drivers.domains.list();
    return list.ok ? new Set(list.value.map((one) => one.uuid)) : null;
  }

  const survivor = (uuid: string): Survivor => ({ uuid, domains: () => domainsOf(uuid) });

  async function effect(action: Effect): Promise<Outcome> {
    const { domains, fence } = parts.drivers;
    const ownUuid = parts.config().self.uuid;
    switch (action.kind) {
      case "persist":
        return stored(await durably(parts.store, action.record));
      case "pause-domains":
        return pauseAll(domains);
      case "unpause-domains":
        return unpauseAll(domains, action.destroy);
      case "destroy-domains":
        return destroyAll(domains, action.domains);
      case "fence": {
        const result = await fence.off(action.hostId);
        if (result.kind === "verified-off") return { ok: true, detail: "power read back as off twice" };
        return { ok: false, detail: result.kind === "failed" ? result.reason : "there is no fence device" };
      }
      case "xapi-promote":
        return told(
          await parts.pool.perform(
            (context) => becomeMaster(context, ownUuid),
            () => newest?.leads === true,
          ),
          () => "this host's toolstack is the pool master",
        );
      case "recover-supporters": {
        const peerUuids = answering();
        return told(
          await parts.pool.perform(
            (context) => recoverSupporters(context, { ownUuid, peerUuids }),
            () => newest !== null && commandsSupporters(newest.state, performance.now()),
          ),
          (done) => (done === "changed" ? "the hosts follow this master now" : "the hosts follow this master already"),
        );
      }
      case "recover-host": {
        const { hostId } = action;
        const barred = await parts.bars?.bar(hostId);
        if (barred?.ok === false) return { ok: false, detail: barred.error };
        const order = {
          deadUuid: hostId,
          ownUuid,
          policy: policyOf(parts.config()),
          lastSeen: lastSeen(),
          localDomains,
          survivors: action.survivors.map(survivor),
          async remember(uuids: readonly string[]) {
            for (const uuid of uuids) ranAt.set(uuid, hostId);
          },
        };
        return told(
          await parts.pool.perform(
            (context) => recoverPeerVms(context, order),
            () => newest !== null && newest.restartRefusals[hostId] === null,
          ),
          ({ starts, alarms }) => {
            for (const { name, outcome } of starts)
              if ("because" in outcome) parts.log("vm.failed", `${name}: ${outcome.because}`, "error");
            for (const { name, verdict } of alarms) parts.log("vm.failed", `${name}: ${verdict.because}`, "error");
            return `${starts.length} VMs were to be started elsewhere`;
          },
        );
      }
      default:
        return assertNever(action);
    }
  }

  /** Hosts that answer this one: those that do not are somebody else's business. */
  function answering(): readonly string[] {
    if (newest === null) return [];
    const { state } = newest;
    return Object.entries(state.neighbours).flatMap(([id, one]) =>
      inContact(state, one, performance.now()) ? [id] : [],
    );
  }

  function perform(action: PoolOuterAction): void {
    switch (action.kind) {
      case "log":
        return tell(action.event, action.detail, action.level);
      case "alert":
        return parts.alerts.raise(action.id, action.text);
      case "alert-over":
        return parts.alerts.clear(action.id);
      case "command-reply":
        return parts.control.settle(action);
      default:
        return parts.lanes.run(laneOf(action), async () => {
          const { ok, detail } = await effect(action);
          if (action.kind.endsWith("-domains")) await parts.lookAtDomains();
          parts.feed({ kind: "result", id: action.id, ok, detail });
        });
    }
  }

  return {
    hears: (hostId) => answering().includes(hostId),
    perform(actions) {
      for (const action of actions) perform(action);
    },
    keep(snapshot) {
      newest = snapshot;
      void parts.bars?.follow(snapshot.state.dead);
    },
    snapshot: () => newest,
    domains: () => new Map(Object.keys(newest?.state.neighbours ?? {}).map((id) => [id, domainsOf(id)])),
    survivors(lostHost) {
      if (newest === null) return null;
      const { hostId } = newest.state.config;
      return [hostId, ...answering()].filter((id) => id !== lostHost).map(survivor);
    },
  };
}

/** Several hosts are fenced, and their VMs started, side by side. */
function laneOf(action: Effect): string {
  switch (action.kind) {
    case "persist":
      return "store";
    case "fence":
      return `fence:${action.hostId}`;
    case "recover-host":
      return `pool:${action.hostId}`;
    case "xapi-promote":
    case "recover-supporters":
      return "pool";
    default:
      return "domains";
  }
}

const told = <T>(result: Result<T, string>, words: (value: T) => string): Outcome =>
  result.ok ? { ok: true, detail: words(result.value) } : { ok: false, detail: result.error };
