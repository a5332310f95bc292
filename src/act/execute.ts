// The hands: turns each effect into a call of one driver, looks again afterwards and reports what was found. Decides
// nothing; a driver's error is the effect's outcome, never an exception.

import { performance } from "node:perf_hooks";
import { setImmediate } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { DrbdView } from "../core/model/drbd.ts";
import type { DurableRecord } from "../core/model/durable.ts";
import type { TargetFacts } from "../core/model/event.ts";
import type { Effect } from "../core/plan/action.ts";
import { describe, type DriverError } from "../drivers/driver-error.ts";
import type { DomainsPort } from "../drivers/domains/port.ts";
import type { DrbdPort } from "../drivers/drbd/port.ts";
import type { FencePort } from "../drivers/fence/port.ts";
import type { FirewallPort } from "../drivers/firewall/port.ts";
import type { TargetPort, TargetSpec } from "../drivers/iscsi-target/port.ts";
import type { StoreError, StorePort } from "../drivers/store/port.ts";
import type { VipPort, VipSpec } from "../drivers/vip/port.ts";
import { assertNever } from "../util/assert.ts";
import { ok, type Result } from "../util/result.ts";
import type { Lanes } from "./lanes.ts";

export type OuterEffect = Exclude<Effect, { readonly kind: "watchdog-arm" | "watchdog-disarm" }>;

/** The procedures on the pool; each asks for permission again before it does something dangerous. */
export interface PoolProcedures {
  promote(): Promise<Result<string, string>>;
  designatePeer(): Promise<Result<string, string>>;
  /** Two masters: makes the other host's toolstack a supporter of this one's. */
  recoverSupporters(): Promise<Result<string, string>>;
  recoverPeer(): Promise<Result<string, string>>;
  /** A13: halts in the database what the other host shut down before it left. */
  resetLeft(): Promise<Result<string, string>>;
  /** A22: starts VMs of the living peer that it confirmed to be gone there. */
  startConfirmed(uuids: readonly string[]): Promise<Result<string, string>>;
}

export interface Hands {
  readonly store: StorePort;
  readonly drbd: DrbdPort;
  readonly target: TargetPort;
  readonly vip: VipPort;
  readonly firewall: FirewallPort;
  readonly domains: DomainsPort;
  readonly fence: FencePort;
  readonly pool: PoolProcedures;
  readonly targetSpec: TargetSpec;
  readonly vipSpec: VipSpec;
  /** The peer's initiator addresses, and those of dead members of the pool, which stay out whatever the pair decides (D16). */
  readonly peerInitiators: () => readonly string[];
  readonly deadInitiators: () => readonly string[];
  /** The target as it is filled while these addresses are barred. */
  readonly targetWithout: (addresses: readonly string[]) => TargetSpec;
  /** Ids of orders to fence that must not begin any more. */
  readonly withdrawn: Set<number>;
}

/** What the executor tells the brain besides results: what it found when it looked again. */
export interface Findings {
  /** `verified`: what a driver read back a moment ago; null = look at the target itself. */
  target(verified: Partial<TargetFacts> | null): Promise<void>;
  vip(): void;
  domains(): Promise<void>;
  drbd(): void;
  result(id: number, ok: boolean, detail: string): void;
  /** How long it waited for its lane and how long it took, for the log. */
  done(kind: Effect["kind"], waitedMs: number, tookMs: number): void;
}

const laneOf = (effect: OuterEffect): string => {
  switch (effect.kind) {
    case "persist":
      return "store";
    case "drbd-up":
    case "drbd-connect":
    case "drbd-discard":
    case "promote":
    case "demote":
    case "outdate":
    case "resume-io":
      return `drbd:${effect.resource}`;
    case "target-warm":
    case "target-fill":
    case "target-bar-peer":
    case "portal-open":
    case "target-withdraw":
      return "target";
    case "hush-portal":
    case "block-portal":
    case "unblock-portal":
      return "firewall";
    case "vip-add":
    case "vip-remove":
      return "vip";
    case "pause-domains":
    case "unpause-domains":
    case "destroy-domains":
      return "domains";
    case "fence":
      return "fence";
    case "xapi-promote":
    case "xapi-designate":
    case "xapi-reset-left":
    case "recover-supporters":
    case "recover-peer":
    case "start-confirmed":
      return "pool";
    default:
      return assertNever(effect);
  }
};

export type Outcome = { readonly ok: true; readonly detail: string } | { readonly ok: false; readonly detail: string };

const driver = (what: string, result: Result<unknown, DriverError>): Outcome =>
  result.ok ? { ok: true, detail: what } : { ok: false, detail: `${what}: ${describe(result.error)}` };

const given = (result: Result<string, DriverError>, resource: string): Outcome =>
  result.ok ? { ok: true, detail: result.value } : driver(`give up the copy of ${resource}`, result);

const procedure = (result: Result<string, string>): Outcome =>
  result.ok ? { ok: true, detail: result.value } : { ok: false, detail: result.error };

export function stored(result: Result<"saved", StoreError>): Outcome {
  if (result.ok) return { ok: true, detail: "saved" };
  const { error } = result;
  switch (error.kind) {
    case "absent":
      return { ok: false, detail: "the record is absent" };
    case "damaged":
      return { ok: false, detail: `${error.path} is damaged: ${error.found}` };
    case "io":
      return { ok: false, detail: `${error.path}: ${error.reason}` };
  }
}

/** Starts the effect in its lane; the result reaches the brain after the second look. */
export function execute(effect: OuterEffect, hands: Hands, lanes: Lanes, findings: Findings): void {
  const askedAt = performance.now();
  lanes.run(laneOf(effect), async () => {
    const begunAt = performance.now();
    try {
      const { ok, detail } = await perform(effect, hands);
      findings.done(effect.kind, begunAt - askedAt, performance.now() - begunAt);
      await lookAgain(effect, findings, ok);
      findings.result(effect.id, ok, detail);
    } catch (defect) {
      // Without an end the decision function would wait for it for ever.
      findings.result(effect.id, false, `a defect of this program: ${String(defect)}`);
      throw defect;
    }
  });
}

async function lookAgain(effect: OuterEffect, findings: Findings, ok: boolean): Promise<void> {
  switch (effect.kind) {
    case "target-warm":
      return findings.target(ok ? { running: true } : null);
    case "target-withdraw":
      return findings.target(ok ? { running: false, filled: false, portalOpen: false, holds: false } : null);
    case "target-fill":
      return findings.target(ok ? { running: true, filled: true } : null);
    case "portal-open":
      return findings.target(ok ? { portalOpen: true } : null);
    case "target-bar-peer":
      return findings.target(null);
    case "vip-add":
    case "vip-remove":
      return findings.vip();
    case "pause-domains":
    case "unpause-domains":
    case "destroy-domains":
    case "recover-peer":
    case "start-confirmed":
      return findings.domains();
    case "demote":
      // A device that is held open: what is known of the target may be wrong, and would not be looked at again.
      if (!ok) void findings.target(null);
      return findings.drbd();
    case "promote":
    case "outdate":
    case "resume-io":
    case "drbd-up":
    case "drbd-connect":
    case "drbd-discard":
      return findings.drbd();
    default:
      return;
  }
}

async function perform(effect: OuterEffect, hands: Hands): Promise<Outcome> {
  const { drbd, target, vip, firewall, targetSpec, vipSpec } = hands;
  switch (effect.kind) {
    case "persist":
      return stored(await durably(hands.store, effect.record));
    case "drbd-up":
      return driver(`bring up ${effect.resource}`, await drbd.up(effect.resource));
    case "drbd-connect":
      return driver(`connect ${effect.resource}`, await drbd.connect(effect.resource));
    case "drbd-discard":
      return given(await drbd.discard(effect.resource, effect.snapshot), effect.resource);
    case "promote":
      return driver(`promote ${effect.resource}`, await drbd.promote(effect.resource));
    case "demote":
      return effect.abandon === true
        ? driver(`give up the suspended writes of ${effect.resource}`, await drbd.abandon(effect.resource))
        : driver(`demote ${effect.resource}`, await drbd.demote(effect.resource));
    case "outdate":
      return driver(`outdate ${effect.resource}`, await drbd.outdate(effect.resource));
    case "resume-io":
      return driver(`resume I/O of ${effect.resource}`, await drbd.resumeIo(effect.resource));
    case "target-warm":
      return driver("start the target", await target.warm());
    case "target-fill": {
      const barred = [...(effect.bar ? hands.peerInitiators() : []), ...hands.deadInitiators()];
      const filled = await target.fill(hands.targetWithout(barred));
      if (!filled.ok || barred.length === 0) return driver("fill the target", filled);
      return driver("bar initiators", await target.bar(targetSpec, barred));
    }
    case "target-bar-peer":
      return driver(
        "bar initiators",
        await target.bar(targetSpec, [...hands.peerInitiators(), ...hands.deadInitiators()]),
      );
    case "portal-open":
      return driver("open the portal", await target.openPortal(targetSpec));
    case "target-withdraw":
      return driver("stop the target", await target.withdraw());
    case "hush-portal":
      await firewall.hush(vipSpec.address, targetSpec.portal.port, effect.what);
      return { ok: true, detail: "asked for" };
    case "block-portal":
      return driver("block the portal", await firewall.block(vipSpec.address, targetSpec.portal.port));
    case "unblock-portal":
      return driver("unblock the portal", await firewall.unblock(vipSpec.address, targetSpec.portal.port));
    case "vip-add":
      return driver("add the floating IP", await vip.ensurePresent(vipSpec));
    case "vip-remove":
      return driver("remove the floating IP", await vip.ensureAbsent(vipSpec));
    case "pause-domains":
      return pauseAll(hands.domains);
    case "unpause-domains":
      return unpauseAll(hands.domains, effect.destroy);
    case "destroy-domains":
      return destroyAll(hands.domains, effect.domains);
    case "fence": {
      // What waits for this thread comes first: the order may be withdrawn already, and the host may live.
      await setImmediate();
      if (hands.withdrawn.delete(effect.id)) return { ok: false, detail: "withdrawn: the other host answers again" };
      const result = await hands.fence.off(effect.hostId);
      switch (result.kind) {
        case "verified-off":
          return { ok: true, detail: `power read back as off twice after ${Math.round(result.elapsedMs)} ms` };
        case "failed":
          return { ok: false, detail: result.reason };
        case "no-device":
          return { ok: false, detail: "FENCE_METHOD=POOL has no fence device" };
      }
      break;
    }
    case "xapi-promote":
      return procedure(await hands.pool.promote());
    case "xapi-designate":
      return procedure(await hands.pool.designatePeer());
    case "xapi-reset-left":
      return procedure(await hands.pool.resetLeft());
    case "recover-supporters":
      return procedure(await hands.pool.recoverSupporters());
    case "recover-peer":
      return procedure(await hands.pool.recoverPeer());
    case "start-confirmed":
      return procedure(await hands.pool.startConfirmed(effect.domains));
    default:
      return assertNever(effect);
  }
  return { ok: false, detail: "unreachable" };
}

/**
 * A write that failed after its rename may have taken effect: the record is read back, because the decision function must
 * know which epoch a restart would find.
 */
export async function durably(store: StorePort, record: DurableRecord): Promise<Result<"saved", StoreError>> {
  const saved = await store.save(record);
  if (saved.ok) return saved;
  const found = await store.load();
  return found.ok && isDeepStrictEqual(found.value, record) ? ok("saved") : saved;
}

export async function pauseAll(domains: DomainsPort): Promise<Outcome> {
  const list = await domains.list();
  if (!list.ok) return driver("list the domains", list);
  const results = await Promise.all(list.value.filter((d) => !d.paused).map((d) => domains.pause(d.domId)));
  return (
    results.map((r) => driver("pause the domains", r)).find((o) => !o.ok) ?? { ok: true, detail: "domains paused" }
  );
}

export async function destroyAll(domains: DomainsPort, uuids: readonly string[]): Promise<Outcome> {
  const list = await domains.list();
  if (!list.ok) return driver("list the domains", list);
  const gone = await Promise.all(list.value.filter((d) => uuids.includes(d.uuid)).map((d) => domains.destroy(d.domId)));
  const failed = gone.map((r) => driver("destroy a domain", r)).find((o) => !o.ok);
  return failed ?? { ok: true, detail: "domains destroyed" };
}

/** Domains that the other host runs by now are destroyed here, never unpaused (V2). */
export async function unpauseAll(domains: DomainsPort, destroy: readonly string[]): Promise<Outcome> {
  const list = await domains.list();
  if (!list.ok) return driver("list the domains", list);
  const destroyed = await destroyAll(domains, destroy);
  if (!destroyed.ok) return destroyed;
  const mine = list.value.filter((d) => d.paused && !destroy.includes(d.uuid));
  const results = await Promise.all(mine.map((d) => domains.unpause(d.domId)));
  return (
    results.map((r) => driver("unpause the domains", r)).find((o) => !o.ok) ?? { ok: true, detail: "domains run on" }
  );
}

/** Turns the driver's map into the plain object the core keeps. */
export function plainViews(views: ReadonlyMap<string, DrbdView>): Readonly<Record<string, DrbdView>> {
  return Object.fromEntries(views);
}
