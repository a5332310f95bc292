// Tries the fence path all the time, so that a dead device, a changed password or a wrong address is known before the day
// it is needed. Only asks; never switches anything. Leaves the device alone while the other host is silent: then it is
// wanted for the real thing.

import type { Millis } from "../core/model/time.ts";
import type { StatusDocument } from "../core/model/status.ts";
import type { FencePort } from "../drivers/fence/port.ts";

export interface FenceReadiness {
  /** Null: there is nothing to try, or it was not tried yet. */
  readonly ready: StatusDocument["fencing"]["ready"];
  readonly detail: string;
}

export interface FenceWatchOptions {
  readonly fence: Pick<FencePort, "check">;
  /** As the configuration has it now. */
  readonly target: () => {
    readonly method: string;
    readonly enabled: boolean;
    readonly peerId: string;
    readonly peerName: string;
  };
  readonly inContact: () => boolean;
  readonly onChange: (readiness: FenceReadiness) => void;
  readonly periodMs?: Millis;
  readonly retryMs?: Millis;
}

export interface FenceWatch {
  readonly readiness: () => FenceReadiness;
  /** Tries now; resolves with what came of it. Several askers share one try. */
  check(): Promise<FenceReadiness>;
  stop(): void;
}

const PERIOD_MS: Millis = 300_000;
const RETRY_MS: Millis = 60_000;

export function startFenceWatch(options: FenceWatchOptions): FenceWatch {
  const { fence, target, inContact } = options;
  let last: FenceReadiness = { ready: null, detail: "not tried yet" };
  let running: Promise<FenceReadiness> | null = null;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function attempt(): Promise<FenceReadiness> {
    const { method, enabled, peerId, peerName } = target();
    if (!enabled) return { ready: null, detail: "FENCE_ENABLED is 0: nothing is fenced" };
    if (method === "POOL")
      return { ready: null, detail: "FENCE_METHOD=POOL is a vote, not fencing: there is no device" };
    if (!inContact()) return last;
    const found = await fence.check(peerId);
    if (found.kind === "failed") return { ready: false, detail: found.reason };
    // Still in contact: then this power state is that of another machine, or of none.
    if (found.state === "off" && inContact()) {
      const detail = `${method} says that ${peerName} is off, but ${peerName} answers: the device of another machine is configured`;
      return { ready: false, detail };
    }
    return { ready: true, detail: `${method} answers: ${peerName} is ${found.state}` };
  }

  async function once(): Promise<FenceReadiness> {
    clearTimeout(timer);
    const next = await attempt();
    running = null;
    const isNews = next.ready !== last.ready || next.detail !== last.detail;
    last = next;
    if (!stopped) {
      const waitMs = next.ready === false ? (options.retryMs ?? RETRY_MS) : (options.periodMs ?? PERIOD_MS);
      timer = setTimeout(() => void check(), waitMs).unref();
      if (isNews) options.onChange(next);
    }
    return next;
  }

  function check(): Promise<FenceReadiness> {
    running ??= once();
    return running;
  }

  return {
    readiness: () => last,
    check,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
