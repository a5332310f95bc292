// A stop is agreed before the watchdog is disarmed. The daemon alone stops, for an upgrade say: both hosts know it, and what
// is served stays served (A7). The host goes down: it announces that it leaves and gives the storage to the other one
// (A13). Not agreed, the daemon goes on and says why: an armed watchdog that nobody feeds would reset this host with
// everything that runs on it.

import type { Command } from "../core/model/event.ts";
import type { ClockPort } from "../drivers/clock/port.ts";
import type { ControlReply } from "../drivers/control/port.ts";
import { describe, type DriverError } from "../drivers/driver-error.ts";
import type { HostPort } from "../drivers/host/port.ts";
import { leaveExchangeNote } from "./exchange-note.ts";
import type { Result } from "../util/result.ts";

export interface OrderlyStopOptions {
  readonly ask: (command: Command) => Promise<ControlReply>;
  readonly host: Pick<HostPort, "goesDown">;
  /** Moves or stops the VMs of a host that goes down (LEAVE_POLICY), within minutes; the text or the reason against it. */
  readonly empty: () => Promise<Result<string, string>>;
  /** Ends the target that waits warm on a host that goes down: what ignores SIGTERM holds a shutdown up for a minute and a half. */
  readonly endTarget?: () => Promise<Result<unknown, DriverError>>;
  readonly onProgress: (text: string) => void;
  readonly clock: Pick<ClockPort, "now" | "sleep">;
  /** Each new reason, once. */
  readonly onRefused: (reason: string) => void;
  readonly retryMs?: number;
  readonly limitMs?: number;
}

const RETRY_MS = 5_000;
/**
 * A host that goes down does not wait for ever: after this the daemon ends with the watchdog armed, and the host is reset. Less
 * than the unit's TimeoutStopSec, so that the log says why.
 */
const LIMIT_MS = 540_000;

/** `left`: this host gave everything back. `forced`: nobody agreed. */
export type StopKind = "agreed" | "left" | "forced";

/** Resolves when the daemon may end; until then it asks again and again. `signal` ends the waiting without agreement. */
export async function untilMayStop(options: OrderlyStopOptions, signal: AbortSignal): Promise<StopKind> {
  const { ask, host } = options;
  let said = "";
  let leaves = false;
  let endAt = Infinity;
  while (!signal.aborted && options.clock.now() < endAt) {
    // Leaving is final; and a host may begin to go down while a stop of the daemon alone waits for an agreement.
    leaves ||= (await Promise.race([host.goesDown(), aborted(signal)])) === true;
    if (signal.aborted) break;
    if (leaves && endAt === Infinity) {
      endAt = options.clock.now() + (options.limitMs ?? LIMIT_MS);
      const emptied = await Promise.race([options.empty(), aborted(signal)]);
      if (emptied === null) break;
      if (emptied.ok) options.onProgress(emptied.value);
      else options.onRefused(emptied.error);
    }
    const reply = await Promise.race([ask({ kind: leaves ? "leave" : "pause" }), aborted(signal)]);
    if (reply === null) break;
    if (reply.kind === "done") {
      if (!leaves) return "agreed";
      options.onProgress(reply.text);
      const ended = await options.endTarget?.();
      if (ended?.ok === false) options.onProgress(`the target runs on: ${describe(ended.error)}`);
      return "left";
    }
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

const ENDS: Readonly<Record<StopKind, string>> = {
  agreed: "the stop is agreed (A7)",
  left: "this host leaves and gave everything back (A13)",
  forced: "stopping by force: the watchdog stays armed",
};

export interface StopParts extends Pick<
  OrderlyStopOptions,
  "ask" | "host" | "empty" | "endTarget" | "clock" | "onRefused"
> {
  readonly log: (event: string, detail: string, level?: "info" | "warn" | "error") => void;
  /** HA is on, or on its way off: an agreed stop is one that the other host knows of. Null: there is no single other host. */
  readonly haIsOn: (() => boolean) | null;
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
    const onProgress = (text: string): void => log("state.changed", text);
    const how = await untilMayStop({ ...parts, onRefused, onProgress }, force.signal);
    log("state.changed", ENDS[how]);
    if (how === "agreed" && parts.haIsOn?.() === true) leaveExchangeNote();
    parts.onEnd();
  }
  const onSignal = (): void => {
    if (stopping) return force.abort();
    stopping = true;
    void stop();
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, onSignal);
}
