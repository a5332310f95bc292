// Tries the fence path all the time, so that a dead device, a changed password or a wrong address is known before the day
// it is needed. Only asks; never switches anything. Leaves the device of a silent host alone: then it is wanted for the real
// thing. Every host that this one may have to power off is tried, each on its own.

import type { Config } from "../../config/config.ts";
import type { Millis } from "../../core/model/time.ts";
import type { StatusDocument } from "../../core/model/status.ts";
import type { FencePort } from "../../drivers/fence/port.ts";
import type { Alerts } from "../alerts/alerts.ts";

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
    /** Hosts that this one may have to power off. */
    readonly hosts: readonly { readonly uuid: string; readonly name: string }[];
  };
  readonly inContact: (hostId: string) => boolean;
  readonly onChange: (readiness: FenceReadiness) => void;
  readonly periodMs?: Millis;
  readonly retryMs?: Millis;
}

export interface FenceWatch {
  /** Of all hosts together, or of this one. */
  readonly readiness: (hostId?: string) => FenceReadiness;
  /** Tries now; resolves with what came of it. Several askers share one try. */
  check(): Promise<FenceReadiness>;
  stop(): void;
}

/** Every other host of the pool: whoever leads it may have to power any of them off. */
export const fenceTargets = ({ fence, hosts, self }: Pick<Config, "fence" | "hosts" | "self">) => ({
  method: fence.method,
  enabled: fence.enabled,
  hosts: hosts.filter((host) => host.uuid !== self.uuid),
});

export function tellFencePath(alerts: Pick<Alerts, "raise" | "clear">, { ready, detail }: FenceReadiness): void {
  if (ready !== false) alerts.clear("fence-path");
  else alerts.raise("fence-path", `another host could not be fenced now: ${detail}`);
}

const PERIOD_MS: Millis = 300_000;
const RETRY_MS: Millis = 60_000;

export function startFenceWatch(options: FenceWatchOptions): FenceWatch {
  const { fence, target, inContact } = options;
  const lasts = new Map<string, FenceReadiness>();
  let last: FenceReadiness = UNTRIED;
  let running: Promise<FenceReadiness> | null = null;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function attempt(): Promise<FenceReadiness> {
    const { method, enabled, hosts } = target();
    if (!enabled) return { ready: null, detail: "FENCE_ENABLED is 0: nothing is fenced" };
    if (method === "POOL")
      return { ready: null, detail: "FENCE_METHOD=POOL is a vote, not fencing: there is no device" };
    await Promise.all(
      hosts.map(async ({ uuid, name }) => {
        if (inContact(uuid)) lasts.set(uuid, await tryOne(method, uuid, name));
      }),
    );
    return together(
      method,
      hosts.map(({ uuid, name }) => ({ name, ...(lasts.get(uuid) ?? UNTRIED) })),
    );
  }

  async function tryOne(method: string, hostId: string, name: string): Promise<FenceReadiness> {
    const found = await fence.check(hostId);
    if (found.kind === "failed") return { ready: false, detail: found.reason };
    // Still in contact: then this power state is that of another machine, or of none.
    if (found.state === "off" && inContact(hostId)) {
      const detail = `${method} says that ${name} is off, but ${name} answers: the device of another machine is configured`;
      return { ready: false, detail };
    }
    return { ready: true, detail: `${method} answers: ${name} is ${found.state}` };
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
    readiness: (hostId) => (hostId === undefined ? last : (lasts.get(hostId) ?? last)),
    check,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

const UNTRIED: FenceReadiness = { ready: null, detail: "not tried yet" };

/** One that fails is what a person has to know of; what was not tried yet may. */
function together(method: string, hosts: readonly (FenceReadiness & { readonly name: string })[]): FenceReadiness {
  const [only] = hosts;
  if (only === undefined) return UNTRIED;
  if (hosts.length === 1) return { ready: only.ready, detail: only.detail };
  const failing = hosts.filter((one) => one.ready === false);
  if (failing.length > 0)
    return { ready: false, detail: failing.map(({ name, detail }) => `${name}: ${detail}`).join("; ") };
  const untried = hosts.filter((one) => one.ready === null).map((one) => one.name);
  if (untried.length > 0) return { ready: null, detail: `not tried yet: ${untried.join(", ")}` };
  return { ready: true, detail: `${method} answers for ${hosts.length} hosts` };
}
