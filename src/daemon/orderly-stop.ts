// A7: a stop of the daemon is agreed with the other host first, and the watchdog is disarmed only then. Refused, the daemon
// goes on and says why: an armed watchdog that nobody feeds would reset this host with everything that runs on it.

import type { Command } from "../core/model/event.ts";
import type { ClockPort } from "../drivers/clock/port.ts";
import type { ControlReply } from "../drivers/control/port.ts";

export interface OrderlyStopOptions {
  readonly ask: (command: Command) => Promise<ControlReply>;
  readonly clock: Pick<ClockPort, "sleep">;
  /** Each new reason, once. */
  readonly onRefused: (reason: string) => void;
  readonly retryMs?: number;
}

const RETRY_MS = 5_000;

/** Resolves when the daemon may end; until then it asks again and again. `signal` ends the waiting without agreement. */
export async function untilMayStop(options: OrderlyStopOptions, signal: AbortSignal): Promise<"agreed" | "forced"> {
  let said = "";
  while (!signal.aborted) {
    const reply = await Promise.race([options.ask({ kind: "pause" }), aborted(signal)]);
    if (reply === null) break;
    if (reply.kind === "done") return "agreed";
    const reason = "reason" in reply ? `${reply.reason}; ${reply.next}` : "no answer of the decision";
    if (reason !== said) options.onRefused(reason);
    said = reason;
    await options.clock.sleep(options.retryMs ?? RETRY_MS, signal);
  }
  return "forced";
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    else signal.addEventListener("abort", () => resolve(null), { once: true });
  });
}
