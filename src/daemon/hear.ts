// What the daemon hears from the brain: actions to perform, and snapshots, whose news goes to whom it concerns.

import { assertNever } from "../util/assert.ts";
import type { Config } from "../config/config.ts";
import type { Alerts } from "./alerts/alerts.ts";
import type { Votes } from "../act/votes.ts";
import { isLocal } from "../drivers/vip/ip.ts";
import type { Notifier } from "../drivers/notify/sd-notify.ts";
import type { Logger } from "../report/logger.ts";
import { createEvidenceTeller } from "./history/evidence-log.ts";
import type { FenceWatch } from "./readiness/fence-watch.ts";
import { createHealthTeller } from "./readiness/health.ts";
import { managementUp } from "./readiness/management-link.ts";
import type { FromBrain, OuterAction, OutsideEvent, Snapshot } from "./brain/messages.ts";
import type { PoolHands } from "./pool/pool-hands.ts";
import type { PoolKey } from "./pool/pool-key.ts";
import type { RefusedPackets } from "./readiness/refused-packets.ts";
import type { Settings } from "./settings/settings.ts";

export interface HearParts {
  readonly perform: (action: OuterAction) => void;
  /** Never asked in a pool of two hosts. */
  readonly poolHands: Pick<PoolHands, "perform" | "keep">;
  /** Keeps the newest snapshot; gives back the one before. */
  readonly keep: (snapshot: Snapshot) => Snapshot | null;
  readonly config: () => Config;
  readonly settings: Pick<Settings, "core" | "reconsider" | "peerShows">;
  readonly poolKey: Pick<PoolKey, "agreed">;
  readonly votes: Pick<Votes, "answering" | "expect">;
  readonly fenceWatch: Pick<FenceWatch, "check">;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly refused: RefusedPackets;
  readonly now: () => number;
  readonly notify: Pick<Notifier, "alive" | "status">;
  readonly logger: Logger;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly feed: (event: OutsideEvent) => void;
  /** The peer was found. */
  readonly onContact: () => void;
  /** Asks the brain for a snapshot. */
  readonly ask: () => void;
  /** The brain has finished a turn since this was last asked. */
  readonly brainLives: () => boolean;
  /** The status document may have changed. */
  readonly publish: () => void;
}

const FRESH_MS = 500;

export interface Hear {
  message(message: FromBrain): void;
  /** Once a second: what changes on this side of the brain. */
  second(): void;
  /** Resolves with the next snapshot, or without one when the brain has no time for it. */
  fresh(): Promise<void>;
}

export function createHear(parts: HearParts): Hear {
  const { settings, fenceWatch, notify, logger, log } = parts;

  const tellEvidence = createEvidenceTeller(log);
  const health = createHealthTeller(parts.alerts);
  let newest: Snapshot | null = null;
  const waiting: (() => void)[] = [];
  let managementSaid = true;
  function tellManagement({ state, links, inContact }: Snapshot): void {
    const heuristics = settings
      .core()
      .heuristics.map((address) => ({ address, answering: parts.votes.answering(address) }));
    const up = managementUp({
      linkUp: links.some((one) => one.link === "management" && one.up),
      linkKnown: state.peer.linkContactAt.management !== null,
      answering: heuristics.map((one) => one.answering),
    });
    const { self } = parts.config();
    const astray = links
      .filter((one) => !one.up && !isLocal(self[one.link]))
      .map(({ link }) => ({ network: link, address: self[link] }));
    const signs = { state, inContact, heuristics, management: up, astray, refused: parts.refused.why() };
    health.tell(signs, parts.now());
    if (up === null || up === managementSaid) return;
    managementSaid = up;
    log("state.changed", `the management network of this host is ${up ? "back" : "lost"}`, up ? "info" : "warn");
    parts.feed({ kind: "management", up });
  }

  function comparePeer({ inContact, state }: Snapshot): void {
    const { body } = state.peer;
    if (!inContact || body === null) return;
    settings.peerShows(body.cfgHash);
    if (body.cfgHash === parts.config().core.cfgHash) parts.poolKey.agreed();
  }

  function look(snapshot: Snapshot): void {
    const before = parts.keep(snapshot);
    newest = snapshot;
    for (const resolve of waiting.splice(0)) resolve();
    if (snapshot.inContact) parts.onContact();
    if (before !== null && before.state.durable.ha !== snapshot.state.durable.ha) void settings.reconsider();
    tellEvidence.saw(snapshot);
    tellManagement(snapshot);
    comparePeer(snapshot);
    if (before?.hostState !== snapshot.hostState || before.inContact !== snapshot.inContact) {
      log("state.changed", `${snapshot.hostState}: ${snapshot.outcome}`);
      if (snapshot.inContact) void fenceWatch.check();
      notify.status(snapshot.outcome);
    }
    parts.publish();
  }

  function message(message: FromBrain): void {
    switch (message.kind) {
      case "ready":
        return;
      case "actions":
        for (const action of message.actions) parts.perform(action);
        return;
      case "snapshot":
        return look(message.snapshot);
      case "uneasy":
        return parts.votes.expect();
      case "pool-actions":
        return parts.poolHands.perform(message.actions);
      case "pool-snapshot":
        return parts.poolHands.keep(message.snapshot);
      case "dropped":
        parts.refused.heard(message.reason);
        logger.event("peer.dropped", { detail: `${message.count} packets: ${message.reason}`, reason: message.reason });
        return;
      case "bug":
        logger.event("cycle.bug", { detail: message.text });
        return;
      default:
        return assertNever(message);
    }
  }

  return {
    message,
    second() {
      if (newest !== null) tellManagement(newest);
      // The service manager may know that this thread runs and that the brain finished a turn lately.
      if (parts.brainLives()) notify.alive();
    },
    fresh() {
      const next = Promise.withResolvers<void>();
      waiting.push(next.resolve);
      setTimeout(next.resolve, FRESH_MS);
      parts.ask();
      return next.promise;
    },
  };
}
