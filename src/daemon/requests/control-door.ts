// Lets the tools in: looks afresh before it answers what they see, and sends a status document to those who watch.

import { controlSocketPath } from "../../drivers/control/path.ts";
import { describeServerError, startControlServer } from "../../drivers/control/server.ts";
import type { ControlHandler, ControlRequest } from "../../drivers/control/port.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import type { Logger } from "../../report/logger.ts";
import { err, ok, type Result } from "../../util/result.ts";

export interface ControlDoorParts {
  readonly handler: ControlHandler;
  readonly status: () => StatusDocument | null;
  /** Looks at the iSCSI target now. */
  readonly lookAtTarget: () => Promise<unknown>;
  /** Has the decision tell how things stand. */
  readonly fresh: () => Promise<void>;
  readonly logger: Logger;
}

export interface ControlDoor {
  /** Any tool is connected: without one a status document is made for nobody. */
  connected(): boolean;
  /** The status may have changed. */
  publish(): void;
  stop(): Promise<void>;
}

const SHOWING: ReadonlySet<ControlRequest["kind"]> = new Set(["status", "watch", "metrics"]);

/** The error is a whole sentence. */
export async function openControlDoor(parts: ControlDoorParts): Promise<Result<ControlDoor, string>> {
  const server = await startControlServer({
    path: controlSocketPath,
    async handler(request, reply) {
      const shows = SHOWING.has(request.kind);
      await Promise.all([
        shows ? parts.lookAtTarget() : null,
        shows || request.kind === "explain" ? parts.fresh() : null,
      ]);
      await parts.handler(request, reply);
    },
    onProblem: (problem) => parts.logger.event(problem.bug ? "cycle.bug" : "peer.dropped", { detail: problem.text }),
  });
  if (!server.ok) return err(describeServerError(server.error));
  const { connected, publish, stop } = server.value;
  return ok({
    connected,
    stop,
    publish() {
      const document = connected() ? parts.status() : null;
      if (document !== null) publish(document);
    },
  });
}
