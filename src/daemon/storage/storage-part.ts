// What the storage looks like on this host, told to the brain as it changes: DRBD by its event stream, the floating IP by
// a look that needs no process, the target by what was done to it and by its death.

import type { Findings } from "../../act/execute.ts";
import { known, unknown } from "../../core/model/observation.ts";
import type { TargetFacts } from "../../core/model/event.ts";
import { describe } from "../../drivers/driver-error.ts";
import type { DomainsPort } from "../../drivers/domains/port.ts";
import type { DrbdPort, HandlerPort, WaitingHandler } from "../../drivers/drbd/port.ts";
import { covers } from "../../drivers/iscsi-target/allow.ts";
import type { TargetPort, TargetSpec, TargetState } from "../../drivers/iscsi-target/port.ts";
import type { VipPort, VipSpec } from "../../drivers/vip/port.ts";
import type { Alerts } from "../alerts/alerts.ts";
import { startDrbdWatch } from "./drbd-watch.ts";
import { inStep } from "../in-step.ts";
import type { OutsideEvent } from "../brain/messages.ts";
import { createModuleWatch } from "./module-watch.ts";
import { watchTarget } from "./target-watch.ts";

/** Domains change rarely and by our own hand or by xapi's; a look costs a process. */
const DOMAINS_MS = 10_000;
/** While the peer answers: xapi tells of nearly every change, and then the list is looked at at once (vm-watch). */
const CALM_DOMAINS_MS = 30_000;

export interface StoragePart extends Findings {
  /** As last looked at (sessions, pid); a look is made for status, not on a timer. */
  targetState(): TargetState | null;
  answer(handler: string, code: 4 | 7 | 6 | 1): Promise<void>;
  /** DRBD's version for display, as last read; null while it could not be told. */
  drbdVersion(): string | null;
  /** A quick look, once a second. */
  look(): void;
  stop(): void;
}

export interface StoragePartOptions {
  readonly drbd: Pick<DrbdPort, "follow" | "observe" | "generation" | "counters" | "isLoaded" | "load" | "version">;
  readonly handlers: HandlerPort;
  readonly target: Pick<TargetPort, "observe" | "onDeath" | "view" | "end">;
  readonly targetSpec: TargetSpec;
  readonly vip: Pick<VipPort, "observe">;
  readonly vipSpec: VipSpec;
  readonly resources: readonly string[];
  /** The peer's initiator addresses, to see whether D16 keeps them out. */
  readonly peerInitiators: readonly string[];
  readonly domains: Pick<DomainsPort, "list">;
  readonly inContact: () => boolean;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly now: () => number;
  readonly wallMs: () => number;
  readonly feed: (event: OutsideEvent) => void;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
}

export async function startStoragePart(options: StoragePartOptions): Promise<StoragePart> {
  const { drbd, target, vip, vipSpec, domains, feed, log, now, resources, peerInitiators } = options;
  const waiting = new Map<string, WaitingHandler>();
  let targetState: TargetState | null = null;

  const module = createModuleWatch(options);
  const watched = startDrbdWatch({ drbd, inContact: options.inContact, now, wallMs: options.wallMs, feed, log });
  const handlers = options.handlers.watch((handler) => {
    waiting.set(handler.id, handler);
    watched.handlerWaits(handler.resource);
    feed({ kind: "handler", resource: handler.resource, handler: handler.id });
  });

  let vipSaid = "";
  /** What is as it was when last told need not be told again. */
  function lookAtVip(onlyNews = false): void {
    const found = vip.observe(vipSpec);
    if (onlyNews && found.kind === vipSaid) return;
    vipSaid = found.kind;
    if (found.kind === "no-interface")
      feed({ kind: "vip", vip: unknown(`there is no interface ${found.device}`, now()) });
    else feed({ kind: "vip", vip: known(found.kind, now()) });
  }

  let facts: TargetFacts = { running: false, filled: false, portalOpen: false };
  /** A server that did not answer: nothing is decided about the storage before a later look succeeds. */
  let targetUnknown = false;
  let looking = false;
  /** Counts what was done to the target: a look that began before (a person's status asks for them too) tells old news. */
  let doings = 0;

  async function lookAgainAtTarget(): Promise<void> {
    if (!targetUnknown || looking) return;
    looking = true;
    await lookAtTarget(null);
    looking = false;
  }

  async function lookAtTarget(verified: Partial<TargetFacts> | null): Promise<void> {
    if (verified === null) {
      const before = doings;
      const found = await target.observe();
      if (doings !== before) return;
      if (!found.ok) {
        targetUnknown = true;
        feed({ kind: "target", target: unknown(describe(found.error), now()) });
        return;
      }
      targetState = found.value;
      const filled = resources.every((r) => found.value.exported.includes(r));
      const { running, portalOpen, allowed, holds } = found.value;
      const peerBarred = filled && !allowed.some((entry) => peerInitiators.some((peer) => covers(entry, peer)));
      facts = { running, filled, portalOpen, holds, peerBarred };
    } else {
      doings += 1;
      facts = { ...facts, ...verified };
    }
    targetUnknown = false;
    feed({ kind: "target", target: known(facts, now()) });
  }

  let listedAt = -Infinity;
  async function lookAtDomains(): Promise<void> {
    listedAt = now();
    const list = await domains.list();
    feed({
      kind: "domains",
      domains: list.ok ? known(list.value, now()) : unknown(describe(list.error), now()),
    });
  }

  target.onDeath((why) => {
    doings += 1;
    targetState = null;
    targetUnknown = false;
    facts = { running: false, filled: false, portalOpen: false };
    feed({ kind: "target-died", detail: why });
  });

  const hanging = watchTarget({
    target,
    spec: options.targetSpec,
    // While DRBD holds the writes the kernel's target answers no login that has to wait for them: it does not hang.
    serves: () => facts.running && facts.filled && facts.portalOpen && vipSaid === "present" && waiting.size === 0,
    alerts: options.alerts,
    log,
  });
  const domainsTimer = inStep(DOMAINS_MS, () => {
    if (!options.inContact() || now() - listedAt > CALM_DOMAINS_MS - DOMAINS_MS / 2) void lookAtDomains();
  });
  lookAtVip();
  await Promise.all([lookAtTarget(null), lookAtDomains()]);

  return {
    targetState: () => targetState,
    async answer(handler, code) {
      const one = waiting.get(handler);
      waiting.delete(handler);
      if (one === undefined) return;
      const answered = await options.handlers.answer(one, code);
      if (!answered.ok)
        log(
          "action.failed",
          `the handler of ${one.resource} could not be answered: ${describe(answered.error)}`,
          "error",
        );
      feed({ kind: "handler-gone", handler });
    },
    target: lookAtTarget,
    vip: () => lookAtVip(),
    drbdVersion: module.version,
    look() {
      module.look();
      lookAtVip(true);
      void lookAgainAtTarget();
    },
    domains: lookAtDomains,
    drbd() {
      // The event stream tells; nothing to ask.
    },
    done: (kind, waitedMs, tookMs) =>
      log(
        "action.done",
        `${kind}: ${Math.round(tookMs)} ms${waitedMs > 2 ? ` after ${Math.round(waitedMs)} ms in its lane` : ""}`,
      ),
    result: (id, ok, detail) => feed({ kind: "result", id, ok, detail }),
    stop() {
      watched.stop();
      handlers.stop();
      hanging.stop();
      domainsTimer.stop();
    },
  };
}
