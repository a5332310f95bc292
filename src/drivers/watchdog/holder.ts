// The watchdog as the daemon sees it: a holder process that it starts or adopts. Never opens the device itself, and never
// says "armed" without the holder's own word.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { access, mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Millis } from "../../core/model/time.ts";
import { err, ok, type Result } from "../../util/result.ts";
import type { DriverError } from "../driver-error.ts";
import { connectToHolder, type HolderConnection } from "./connection.ts";
import type { WatchdogPort } from "./port.ts";
import { createLineReader } from "./protocol.ts";

export interface WatchdogOptions {
  readonly device: string;
  /** W of the failover timers; whole seconds. */
  readonly timeoutMs: Millis;
  readonly socketPath?: string;
  readonly keyPath?: string;
  /** Program and first arguments of the holder. */
  readonly command?: readonly [string, ...string[]];
}

export interface TandemWatchdog extends WatchdogPort {
  /** Lets go of the holder, which stays armed and waits for the next daemon. */
  release(): void;
}

const startMs: Millis = 5000;
const answerMs: Millis = 2000;
const program = "watchdog-holder";

type ArmResult = Result<"changed" | "already", DriverError>;

/** Small heap, one helper thread (0 would mean one per core): 11 MB of its own memory beside the runtime's pages that it shares with the daemon. */
function defaultCommand(): readonly [string, ...string[]] {
  const bundled = !import.meta.url.endsWith(".ts");
  const script = bundled ? "./watchdog-holder.mjs" : "../../bin/watchdog-holder.ts";
  const flags = ["--v8-pool-size=1", "--max-semi-space-size=1", "--max-old-space-size=16"];
  return [process.execPath, ...flags, fileURLToPath(new URL(script, import.meta.url))];
}

export function createWatchdog(options: WatchdogOptions): TandemWatchdog {
  const { device, timeoutMs } = options;
  const socketPath = options.socketPath ?? "/run/tandem/watchdog.sock";
  const keyPath = options.keyPath ?? join(dirname(socketPath), "watchdog.key");
  const command = options.command ?? defaultCommand();
  let connection: HolderConnection | null = null;
  let last: Promise<unknown> = Promise.resolve();

  /** "nobody" when no holder runs. */
  async function adopt(): Promise<Result<"adopted" | "nobody", DriverError>> {
    const connected = await connectToHolder(socketPath, answerMs, () => {
      connection = null;
    });
    if (connected.kind === "nobody") return ok("nobody");
    if (connected.kind === "failed") return err(unverified("adopt the watchdog holder", connected.reason));
    connection = connected.connection;
    return ok("adopted");
  }

  async function startHolder(): Promise<Result<"started", DriverError>> {
    try {
      await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
      await rm(keyPath, { force: true });
      const file = await open(keyPath, "wx", 0o600);
      await file.writeFile(randomBytes(32));
      await file.close();
    } catch (error) {
      return err({ kind: "missing", command: program, reason: error instanceof Error ? error.message : String(error) });
    }
    const [file, ...first] = command;
    const said = await firstLine(file, [...first, device, String(timeoutMs), socketPath, keyPath]);
    if (!said.ok) return said;
    if (said.value !== "armed") return err({ kind: "exit", command: program, code: 1, stderr: said.value });
    const adopted = await adopt();
    if (!adopted.ok) return adopted;
    return adopted.value === "adopted" ? ok("started") : err(unverified("start the watchdog holder", "nobody listens"));
  }

  async function arm(): Promise<ArmResult> {
    if (connection?.working() === true) return ok("already");
    if (connection === null) {
      const adopted = await adopt();
      if (!adopted.ok) return adopted;
      if (adopted.value === "nobody") {
        const started = await startHolder();
        return started.ok ? ok("changed") : started;
      }
    }
    if (connection === null) return err(unverified("arm the watchdog", "the holder ended"));
    return connection.working() ? ok("already") : err(unverified("arm the watchdog", "the holder does not answer"));
  }

  async function disarm(): Promise<ArmResult> {
    if (connection === null) {
      const adopted = await adopt();
      if (!adopted.ok) return adopted;
      if (adopted.value === "nobody") {
        // A holder removes its key when it disarms. A key without a holder: it was killed, and the device runs down.
        const keyLeft = await access(keyPath).then(
          () => true,
          () => false,
        );
        if (!keyLeft) return ok("already");
        const restarted = await startHolder();
        if (!restarted.ok) return restarted;
      }
    }
    if (connection === null) return err(unverified("disarm the watchdog", "the holder ended"));
    let key: Uint8Array;
    try {
      key = await readFile(keyPath);
    } catch (error) {
      return err(
        unverified("disarm the watchdog", `no key: ${error instanceof Error ? error.message : String(error)}`),
      );
    }
    const failure = await connection.disarm(key, answerMs);
    if (failure !== null) return err(unverified("disarm the watchdog", failure));
    connection?.close();
    connection = null;
    return ok("changed");
  }

  function inTurn(work: () => Promise<ArmResult>): Promise<ArmResult> {
    const done = last.then(work);
    last = done;
    return done;
  }

  return {
    arm: () => inTurn(arm),
    disarm: () => inTurn(disarm),
    token: () => connection?.token(),
    armed: () => connection?.working() ?? false,
    release() {
      connection?.close();
      connection = null;
    },
  };
}

function unverified(action: string, found: string): DriverError {
  return { kind: "unverified", action, expected: "a holder that answers", found };
}

/** Starts the holder in a session of its own and waits for its first line only. */
function firstLine(file: string, args: readonly string[]): Promise<Result<string, DriverError>> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
      cwd: "/",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    });
    const lines = createLineReader();
    const timer = setTimeout(() => {
      // It may be armed already: killing it would leave a running watchdog that nobody feeds.
      settle(err({ kind: "timeout", command: program, afterMs: startMs }));
    }, startMs);
    function settle(result: Result<string, DriverError>): void {
      clearTimeout(timer);
      child.stdout.destroy();
      child.unref();
      resolve(result);
    }
    child.on("error", (error) => settle(err({ kind: "missing", command: program, reason: error.message })));
    child.on("exit", (code) =>
      settle(err({ kind: "exit", command: program, code: code ?? -1, stderr: "ended at start" })),
    );
    child.stdout.on("data", (chunk: Buffer) => {
      const [line] = lines(chunk) ?? [];
      if (line !== undefined) settle(ok(line));
    });
  });
}
