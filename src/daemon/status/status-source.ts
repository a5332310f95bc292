// Collects what the status document is made of, from everybody who knows a part of it.

import type { Votes } from "../../act/votes.ts";
import type { Config } from "../../config/config.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import type { ClockPort } from "../../drivers/clock/port.ts";
import { VERSION } from "../../report/version.ts";
import type { Alerts } from "../alerts/alerts.ts";
import type { EventsLog } from "../history/events-log.ts";
import type { FenceWatch } from "../readiness/fence-watch.ts";
import type { Snapshot } from "../brain/messages.ts";
import type { PoolPart } from "../pool/pool-part.ts";
import { createResyncEta } from "../storage/resync-eta.ts";
import { statusDocument } from "./status.ts";
import type { StoragePart } from "../storage/storage-part.ts";
import type { VmWatch } from "../vms/vm-watch.ts";

const EVENTS_SHOWN = 50;

export interface StatusParts {
  readonly snapshot: () => Snapshot | null;
  readonly config: () => Config;
  readonly clock: Pick<ClockPort, "wallMs" | "now">;
  readonly drbdVersion: () => string | null;
  readonly storagePart: Pick<StoragePart, "targetState">;
  readonly pool: Pick<PoolPart, "view">;
  readonly vmWatch: Pick<VmWatch, "report">;
  readonly votes: Pick<Votes, "answering">;
  readonly fenceWatch: Pick<FenceWatch, "readiness">;
  readonly alerts: Pick<Alerts, "list">;
  readonly events: Pick<EventsLog, "recent">;
}

/** Null until the brain has told of its first turn. */
export function createStatusSource(parts: StatusParts): () => StatusDocument | null {
  const eta = createResyncEta(parts.clock.now);
  return () => {
    const snapshot = parts.snapshot();
    if (snapshot === null) return null;
    const config = parts.config();
    const target = parts.storagePart.targetState();
    return statusDocument({
      snapshot,
      config,
      wallMs: parts.clock.wallMs(),
      version: VERSION,
      pid: process.pid,
      targetPid: target?.pid ?? null,
      sessions: target?.sessions ?? null,
      drbdVersion: parts.drbdVersion(),
      pool: parts.pool.view(),
      vmReport: parts.vmWatch.report(),
      heuristics: new Map(
        config.core.heuristics.flatMap((address) => {
          const answering = parts.votes.answering(address);
          return answering === null ? [] : [[address, answering] as const];
        }),
      ),
      fenceReady: parts.fenceWatch.readiness(),
      alerts: parts.alerts.list(),
      events: parts.events.recent(EVENTS_SHOWN),
      eta,
    });
  };
}
