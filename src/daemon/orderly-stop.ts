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

export interface StopParts {
  readonly ask: OrderlyStopOptions["ask"];
  readonly clock: OrderlyStopOptions["clock"];
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  readonly onRefused: (reason: string) => void;
  readonly onEnd: () => void;
}

/** The first SIGTERM or SIGINT asks for a stop, a second one forces it. */
export function stopOnSignal(parts: StopParts): void {
  const { log } = parts;
  const force = new AbortController();
  let stopping = false;
  const onRefused = (reason: string): void => {
    log("action.failed", `Cannot stop: ${reason} (a second signal stops by force)`, "error");
    parts.onRefused(reason);
  };
  async function stop(): Promise<void> {
    const how = await untilMayStop({ ask: parts.ask, clock: parts.clock, onRefused }, force.signal);
    log("state.changed", how === "agreed" ? "the stop is agreed (A7)" : "stopping by force: the watchdog stays armed");
    parts.onEnd();
  }
  const onSignal = (): void => {
    if (stopping) return force.abort();
    stopping = true;
    void stop();
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, onSignal);
}
