// Fence agents as processes: off, read back, on. Only a power state read back OFF twice is success (D14, V8). It never
// fences this host or a host that is not of this pool (V7), and never gives a password to argv or the environment (V13).

import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { ClockPort } from "../clock/port.ts";
import type { ExecPort, ExecResult } from "../exec/port.ts";
import { locateAgent, LOCATE_DEFAULTS, type LocatedAgent, type LocateOptions } from "./locate.ts";
import type { FencePort, FenceResult, StatusResult } from "./port.ts";
import { abnormalEnd, lastWords, readStatus } from "./reading.ts";

/** What is needed of the daemon's configuration; Config of src/config fits. */
export interface FenceSettings {
  readonly self: { readonly uuid: string };
  readonly hosts: readonly { readonly uuid: string }[];
  readonly fence: {
    readonly method: string;
    readonly action: "start" | "stop" | "reset";
    /** FENCE_FILE_LOC. */
    readonly folder: string;
    readonly ipAddress: string;
    readonly password: { reveal(): string } | null;
    /** T_fence: one attempt with everything in it. */
    readonly timeoutMs: Millis;
  };
}

export interface FenceDependencies {
  readonly exec: ExecPort;
  readonly clock: ClockPort;
  /** Asked for each call: the configuration, with it the password, may change. */
  config(): FenceSettings;
  /** FENCE_ACTION=start|reset: the delayed power-on ended. */
  onStarted?(hostId: string, result: StatusResult): void;
  readonly locate?: LocateOptions;
  /** Pause between two readings of the power state. */
  readonly pollMs?: Millis;
  /** FENCE_ACTION=start|reset: the host stays off for this long, so that the proof is used before it can boot. */
  readonly startAfterMs?: Millis;
}

export interface FenceAgents extends FencePort {
  /** Power on, read back. */
  on(hostId: string): Promise<StatusResult>;
  /** Worst time from a call to the device's answer that the self-tests saw (I-h); null before the first. */
  worstAnswerMs(): Millis | null;
  /** Forgets power-ons that have not begun. */
  stop(): void;
}

type Action = "start" | "stop" | "status" | "monitor";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const POLL_MS: Millis = 250;
const START_AFTER_MS: Millis = 15_000;
const SAMPLES = 50;
const LOOK_MS: Millis = 2_000;
const OFF_READINGS = 2;
const POOL_HAS_NONE = "FENCE_METHOD=POOL has no device: it is a vote, not fencing";
/** An agent's exit code for an action it does not know. */
const UNKNOWN_ACTION = 3;

const failed = (reason: string): { readonly kind: "failed"; readonly reason: string } => ({ kind: "failed", reason });

const passwordOf = (settings: FenceSettings): string | null => settings.fence.password?.reveal() ?? null;

/** V7. Null: this host may be asked about. */
function wrongHost(settings: FenceSettings, hostId: string): string | null {
  if (!UUID.test(hostId))
    return `Cannot fence ${JSON.stringify(hostId.slice(0, 40))}: found no UUID, expected the UUID of a host`;
  if (!settings.hosts.some((host) => host.uuid === hostId))
    return `Cannot fence ${hostId}: found no such host, expected a host of this pool`;
  return null;
}

export function createFence(dependencies: FenceDependencies): FenceAgents {
  const { exec, clock, locate = LOCATE_DEFAULTS, pollMs = POLL_MS, startAfterMs = START_AFTER_MS } = dependencies;
  const answers: Millis[] = [];
  const pendingStarts = new Map<string, AbortController>();
  /** At most one fencing of a host in flight (D14). */
  const inFlight = new Set<string>();

  function call(
    agent: LocatedAgent,
    settings: FenceSettings,
    hostId: string,
    action: Action,
    timeoutMs: Millis,
    lane = `fence:${hostId}`,
  ): Promise<ExecResult> {
    const password = passwordOf(settings);
    const budgetMs = Math.max(1, Math.floor(timeoutMs));
    const facts = {
      action,
      host: hostId,
      method: settings.fence.method,
      address: settings.fence.ipAddress,
      hosts_file: agent.hostsFile ?? "",
      ...(password === null ? {} : { password }),
      timeout_ms: budgetMs,
    };
    const lines = Object.entries(facts).map(([key, value]) => `${key}=${value}\n`);
    return exec.run(agent.path, [hostId, action], {
      timeoutMs: budgetMs,
      lane,
      cwd: agent.folder,
      // By stdin: an environment would be inherited by everything the agent starts.
      stdin: lines.join(""),
      env: {
        FENCE_METHOD: settings.fence.method,
        FENCE_FILE_LOC: settings.fence.folder,
        FENCE_IPADDRESS: settings.fence.ipAddress,
        FENCE_HOSTS_FILE: agent.hostsFile ?? "",
      },
    });
  }

  async function prepare(settings: FenceSettings, hostId: string): Promise<Result<LocatedAgent, string>> {
    const wrong = wrongHost(settings, hostId);
    return wrong === null ? locateAgent(settings.fence.folder, settings.fence.method, locate) : err(wrong);
  }

  /** Runs `start` or `stop`; exit 0 is necessary and never sufficient. */
  async function command(
    agent: LocatedAgent,
    settings: FenceSettings,
    hostId: string,
    action: "start" | "stop",
    deadline: number,
  ): Promise<Result<null, string>> {
    const result = await call(agent, settings, hostId, action, deadline - clock.now());
    const abnormal = abnormalEnd(result, action);
    if (abnormal !== null || result.kind !== "exited") return err(abnormal ?? "no result");
    if (result.code === 0) return ok(null);
    const words = lastWords(result.stderr.trim() === "" ? result.stdout : result.stderr, passwordOf(settings));
    return err(`"${action}" ended with ${result.code}${words === "" ? "" : `: ${words}`}`);
  }

  /**
   * Reads the power state until it is `wanted` in `readings` consecutive answers. A device may refuse answers shortly
   * after it switched, so a failed reading only starts the count again; the deadline ends it.
   */
  async function verify(
    agent: LocatedAgent,
    settings: FenceSettings,
    hostId: string,
    wanted: "on" | "off",
    readings: number,
    deadline: number,
  ): Promise<Result<null, string>> {
    let seen = 0;
    let last: string | null = null;
    for (let round = 0; clock.now() < deadline; round += 1) {
      if (round > 0) await clock.sleep(pollMs);
      const left = deadline - clock.now();
      if (left <= 0) break;
      const result = await call(agent, settings, hostId, "status", left);
      const reading = readStatus(result, passwordOf(settings));
      if (reading.kind === "power" && reading.state === wanted) {
        seen += 1;
        if (seen >= readings) return ok(null);
        last = `it read ${wanted} only ${seen} time${seen === 1 ? "" : "s"} in a row`;
        continue;
      }
      seen = 0;
      // The last reading is cut off by the deadline as a rule; what an earlier one said tells more.
      if (result.kind === "timeout" && last !== null) break;
      last = reading.kind === "power" ? `it reads ${reading.state}` : reading.reason;
    }
    return err(
      `the power state was not verified ${wanted} within ${settings.fence.timeoutMs} ms: ${last ?? "no reading fitted into the time"}`,
    );
  }

  function scheduleStart(hostId: string): void {
    const abort = new AbortController();
    pendingStarts.set(hostId, abort);
    const start = async (): Promise<void> => {
      await clock.sleep(startAfterMs, abort.signal);
      if (abort.signal.aborted) return;
      pendingStarts.delete(hostId);
      const result = await on(hostId);
      dependencies.onStarted?.(hostId, result);
    };
    start().catch((error: unknown) => {
      // An aborted sleep may reject; anything else is told like a failed start.
      if (!abort.signal.aborted) dependencies.onStarted?.(hostId, failed(String(error)));
    });
  }

  function cancelStart(hostId: string): void {
    pendingStarts.get(hostId)?.abort();
    pendingStarts.delete(hostId);
  }

  async function off(hostId: string): Promise<FenceResult> {
    const settings = dependencies.config();
    const began = clock.now();
    const wrong = wrongHost(settings, hostId);
    if (wrong !== null) return failed(wrong);
    if (hostId === settings.self.uuid)
      return failed(`Cannot fence ${hostId}: found this host itself, expected its peer (V7)`);
    if (settings.fence.method === "POOL") return { kind: "no-device" };
    if (inFlight.has(hostId))
      return failed(`Cannot fence ${hostId}: found a fencing in flight, expected one at a time (D14)`);
    inFlight.add(hostId);
    cancelStart(hostId);
    try {
      const agent = await prepare(settings, hostId);
      if (!agent.ok) return failed(agent.error);
      const deadline = began + settings.fence.timeoutMs;
      const stopped = await command(agent.value, settings, hostId, "stop", deadline);
      if (!stopped.ok) return failed(`Cannot fence ${hostId}: ${stopped.error}`);
      const verified = await verify(agent.value, settings, hostId, "off", OFF_READINGS, deadline);
      if (!verified.ok) return failed(`Cannot fence ${hostId}: ${verified.error}`);
      // A reset has no moment of verified power-off; so off comes first and the start only after the proof is used.
      if (settings.fence.action !== "stop") scheduleStart(hostId);
      return { kind: "verified-off", elapsedMs: clock.now() - began };
    } finally {
      inFlight.delete(hostId);
    }
  }

  async function on(hostId: string): Promise<StatusResult> {
    const settings = dependencies.config();
    // A start that overtakes a running fencing would undo its proof.
    if (inFlight.has(hostId)) return failed(`Cannot start ${hostId}: found a fencing in flight`);
    const deadline = clock.now() + settings.fence.timeoutMs;
    if (settings.fence.method === "POOL") return failed(POOL_HAS_NONE);
    const agent = await prepare(settings, hostId);
    if (!agent.ok) return failed(agent.error);
    const started = await command(agent.value, settings, hostId, "start", deadline);
    if (!started.ok) return failed(`Cannot start ${hostId}: ${started.error}`);
    const verified = await verify(agent.value, settings, hostId, "on", 1, deadline);
    return verified.ok ? { kind: "power", state: "on" } : failed(`Cannot start ${hostId}: ${verified.error}`);
  }

  async function status(hostId: string): Promise<StatusResult> {
    const settings = dependencies.config();
    if (settings.fence.method === "POOL") return failed(POOL_HAS_NONE);
    const agent = await prepare(settings, hostId);
    if (!agent.ok) return failed(agent.error);
    return readStatus(
      await call(agent.value, settings, hostId, "status", settings.fence.timeoutMs),
      passwordOf(settings),
    );
  }

  async function readsOff(hostId: string): Promise<boolean> {
    const settings = dependencies.config();
    if (settings.fence.method === "POOL" || hostId === settings.self.uuid || inFlight.has(hostId)) return false;
    const agent = await prepare(settings, hostId);
    if (!agent.ok) return false;
    for (let reading = 0; reading < OFF_READINGS; reading += 1) {
      if (reading > 0) await clock.sleep(pollMs);
      // A lane of its own: an agent that hangs at a question must not stand in the way of the command.
      const result = await call(agent.value, settings, hostId, "status", LOOK_MS / 2, `fence-look:${hostId}`);
      const found = readStatus(result, passwordOf(settings));
      if (found.kind !== "power" || found.state !== "off") return false;
    }
    return true;
  }

  async function selfTest(hostId: string): Promise<StatusResult> {
    const settings = dependencies.config();
    if (settings.fence.method === "POOL") return failed(POOL_HAS_NONE);
    const agent = await prepare(settings, hostId);
    if (!agent.ok) return failed(agent.error);
    const result = await call(agent.value, settings, hostId, "monitor", settings.fence.timeoutMs);
    if (result.kind === "exited" && result.code === UNKNOWN_ACTION) return status(hostId);
    return readStatus(result, passwordOf(settings), "monitor");
  }

  async function check(hostId: string): Promise<StatusResult> {
    const began = clock.now();
    const result = await selfTest(hostId);
    if (result.kind === "power") {
      answers.push(clock.now() - began);
      if (answers.length > SAMPLES) answers.shift();
    }
    return result;
  }

  return {
    off,
    on,
    status,
    readsOff,
    check,
    worstAnswerMs: () => (answers.length === 0 ? null : Math.max(...answers)),
    stop(): void {
      for (const hostId of pendingStarts.keys()) cancelStart(hostId);
    },
  };
}
