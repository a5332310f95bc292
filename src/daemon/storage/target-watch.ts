// A target that hangs is worse than one that died: the process is there and every initiator waits. It is asked as an initiator
// asks, and ended when it stays silent; its death is then handled like any other. What only looks like it is told.

import type { Millis } from "../../core/model/time.ts";
import type { TargetPort, TargetSpec } from "../../drivers/iscsi-target/port.ts";
import type { Alerts } from "../alerts/alerts.ts";
import { inStep } from "../in-step.ts";

const EVERY_MS: Millis = 2_000;
/** So many looks in a row that end at the portal's address: a switch silences it for a moment on purpose. */
const KEPT_OUT = 3;
/** Questions to a disk that waits stay in the target: one now and then. */
const WAIT_LOOKS = 15;
export const PORTAL_ALERT = "portal";

export interface TargetWatch {
  stop(): void;
}

export interface TargetWatchOptions {
  readonly target: Pick<TargetPort, "view" | "end">;
  readonly spec: TargetSpec;
  /** Is the portal open to initiators, as far as is known? Only then it need answer. */
  readonly serves: () => boolean;
  readonly alerts: Pick<Alerts, "raise" | "clear">;
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly everyMs?: Millis;
}

export function watchTarget(options: TargetWatchOptions): TargetWatch {
  const { target, spec, serves, alerts, log, everyMs = EVERY_MS } = options;
  let keptOut = 0;
  let skip = 0;
  let asking = false;

  async function ask(): Promise<void> {
    const found = await target.view(spec);
    // What was begun while it served ends elsewhere.
    if (!serves()) return;
    keptOut = found === "answers-on-loopback" ? keptOut + 1 : 0;
    if (found === "answers") alerts.clear(PORTAL_ALERT);
    if (keptOut === KEPT_OUT) {
      const at = `${spec.portal.address} port ${spec.portal.port}`;
      alerts.raise(
        PORTAL_ALERT,
        `the target of this host answers, but not at ${at}: something keeps initiators out; ` +
          "see ip addr, iptables -S and, with tgtd, tgtadm --mode portal --op show",
      );
    }
    if (found === "disk-waits") {
      log("action.failed", "a READ through the target has no answer, nor has the disk below it", "warn");
      skip = WAIT_LOOKS;
    }
    if (found !== "silent") return;
    log("target.died", "the target gave no answer to an initiator: ending it", "error");
    target.end();
  }

  const timer = inStep(everyMs, () => {
    if (skip > 0) skip -= 1;
    if (asking || skip > 0 || !serves()) return;
    asking = true;
    void ask().finally(() => (asking = false));
  });
  return { stop: timer.stop };
}
