// The status as it comes from the daemon, for as long as somebody looks.

import type { StatusDocument } from "../../../../core/model/status.ts";
import type { Millis } from "../../../../core/model/time.ts";
import { describeClientError, watchDaemon } from "../../../../drivers/control/client.ts";
import type { ControlClientError, Watch } from "../../../../drivers/control/client.ts";
import type { DashboardView } from "../sections.ts";

const reconnectMs: Millis = 1_000;
/** Longest wait for the first document. */
const silenceMs: Millis = 5_000;

/**
 * Keeps a view current by the daemon's own stream, and connects again when it ends. A watched daemon speaks at every change
 * and at least once a second, so that nothing needs to be asked: one that hangs leaves its last word to grow old.
 */
export function followStatus(path: string, onView: (view: DashboardView) => void): { close(): void } {
  let last: StatusDocument | null = null;
  let watch: Watch | null = null;
  let again: NodeJS.Timeout | undefined;
  let closed = false;

  const onStatus = (status: StatusDocument): void => {
    if (closed) return;
    last = status;
    onView({ kind: "live", status });
  };
  const onEnd = (error: ControlClientError): void => {
    watch = null;
    if (closed) return;
    onView({ kind: "down", ...describeClientError(error), last });
    again = setTimeout(connect, reconnectMs);
  };
  const connect = (): void => {
    watch = watchDaemon({ path, silenceMs, onStatus, onEnd });
  };
  connect();
  return {
    close: () => {
      closed = true;
      clearTimeout(again);
      watch?.close();
    },
  };
}
