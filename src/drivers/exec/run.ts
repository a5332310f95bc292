// Runs other programs for the drivers: no shell, a minimal environment, and a deadline of its own.
// It must never wait for a child past the deadline, and never start a second one while the first hangs in its lane.

import { spawn } from "node:child_process";
import { constants } from "node:os";
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import type {
  ExecOptions,
  ExecPort,
  ExecResult,
  ExpectPort,
  FeedPort,
  LaunchPort,
  LineFeed,
  LineStream,
} from "./port.ts";
import { createWaitingShells } from "./waiting-shell.ts";

export interface ExecSettings {
  readonly path?: string;
  /** Added for every child (tests: library paths). */
  readonly env?: Readonly<Record<string, string>>;
  /** Characters of stdout or of stderr; a child that prints more is killed and reported as exited with -1. */
  readonly maxOutput?: number;
  /** A process is about to be started. */
  readonly onStart?: () => void;
}

const defaultPath = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin:/opt/xensource/bin";
const maxLineLength = 16_384;
/** How a shell ends that finds no such program. */
const NOT_FOUND = 127;

/**
 * `run` is on execa. `lines`, `detach` and `launch` are on node:child_process: execa would hold a promise, buffers and
 * an exit hook for each child, which is what a stream that lives for months and an arping nobody waits for must not have.
 */
export function createExec(settings: ExecSettings = {}): ExecPort & LaunchPort & FeedPort & ExpectPort {
  const baseEnv = { PATH: settings.path ?? defaultPath, LC_ALL: "C", ...settings.env };
  const maxOutput = settings.maxOutput ?? 1_000_000;
  const onStart = settings.onStart ?? (() => undefined);
  /** Process groups that outlived their deadline, by lane: calls that ran side by side may all of them. */
  const stuck = new Map<string, readonly number[]>();
  const waiting = createWaitingShells((file, args) => start(file, args, {}, "pipe"));

  /** A pid that holds the lane, or null. A group is gone when no member is left, drbdsetup under drbdadm included. */
  function holder(lane: string): number | null {
    const left = (stuck.get(lane) ?? []).filter(groupLives);
    if (left.length === 0) stuck.delete(lane);
    else stuck.set(lane, left);
    return left[0] ?? null;
  }

  function start(
    file: string,
    args: readonly string[],
    { stdin, env, cwd }: Omit<ExecOptions, "timeoutMs">,
    without: "ignore" | "pipe",
  ) {
    onStart();
    return execa(file, args, {
      reject: false,
      // An own process group, so that the deadline reaches grandchildren too.
      detached: true,
      cleanup: false,
      extendEnv: false,
      env: { ...baseEnv, ...env },
      maxBuffer: maxOutput,
      stripFinalNewline: false,
      killSignal: "SIGKILL",
      forceKillAfterDelay: false,
      ...(stdin === undefined ? { stdin: without } : { input: stdin }),
      ...(cwd === undefined ? {} : { cwd }),
    });
  }

  async function run(file: string, args: readonly string[], options: ExecOptions): Promise<ExecResult> {
    const held = options.lane === undefined ? null : holder(options.lane);
    if (held !== null) return { kind: "busy", pid: held };
    const started = performance.now();
    const isPlain = options.stdin === undefined && options.env === undefined && options.cwd === undefined;
    const ready = isPlain ? waiting.begin(file, args) : undefined;
    const child = ready ?? start(file, args, options, "ignore");
    const pid = child.pid;
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<"deadline">((resolve) => {
      timer = setTimeout(() => resolve("deadline"), options.timeoutMs);
    });
    const first = await Promise.race([child, deadline]);
    clearTimeout(timer);
    if (first !== "deadline") {
      if (pid === undefined) return { kind: "not-started", reason: first.originalMessage ?? `cannot start ${file}` };
      if (ready !== undefined && first.exitCode === NOT_FOUND)
        return { kind: "not-started", reason: first.stderr.trim() };
      return {
        kind: "exited",
        code: first.isMaxBuffer ? -1 : (first.exitCode ?? signalCode(first.signal)),
        stdout: first.stdout,
        stderr: first.isMaxBuffer ? `printed more than ${maxOutput} characters` : first.stderr,
        elapsedMs: performance.now() - started,
      };
    }
    if (pid === undefined) return { kind: "not-started", reason: `cannot start ${file}` };
    killGroup(pid);
    if (options.lane !== undefined) stuck.set(options.lane, [...(stuck.get(options.lane) ?? []), pid]);
    // Nobody reads these any more, and a child in the kernel must not keep this process alive.
    child.stdout.destroy();
    child.stderr.destroy();
    child.nodeChildProcess.unref();
    return { kind: "timeout", pid, afterMs: options.timeoutMs };
  }

  function lines(
    file: string,
    args: readonly string[],
    onLine: (line: string) => void,
    onEnd: (why: string) => void,
    from: "stdout" | "stderr" = "stdout",
  ): LineStream {
    onStart();
    // An own group: what the child starts is ended with it.
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], detached: true, env: baseEnv });
    const complaint: string[] = [];
    let rest = "";
    let ended = false;
    let stopped = false;
    const end = (why: string) => {
      if (ended) return;
      ended = true;
      if (!stopped) onEnd(why);
    };
    const kill = () => {
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killGroup(child.pid);
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const spoken = child[from];
    spoken.setEncoding("utf8");
    spoken.on("data", (chunk: string) => {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        if (ended || stopped) return;
        onLine(line);
      }
      // A line without an end is not a line of this tool; keeping it would grow without bound.
      if (rest.length > maxLineLength) {
        kill();
        end(`${file} printed a line of more than ${maxLineLength} characters`);
      }
    });
    if (from === "stderr") child.stdout.resume();
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (chunk: string) => {
      complaint.push(chunk.slice(0, 500));
      if (complaint.length > 4) complaint.shift();
    });
    child.on("error", (error) => end(`${file} did not start: ${error.message}`));
    child.on("close", (code, signal) => {
      const said = complaint.join("").trim();
      end(`${file} ended with ${signal ?? String(code)}${said === "" ? "" : `: ${said}`}`);
    });
    return {
      pid: child.pid ?? -1,
      signal(name) {
        child.kill(name);
      },
      stop() {
        stopped = true;
        kill();
      },
    };
  }

  function detach(file: string, args: readonly string[], onError: (why: string) => void): void {
    onStart();
    const child = spawn(file, args, { stdio: "ignore", detached: true, env: baseEnv });
    child.on("error", (error) => onError(`${file} did not start: ${error.message}`));
    child.unref();
  }

  function launch(
    file: string,
    args: readonly string[],
    options: { readonly env?: Readonly<Record<string, string>> },
    onExit: (why: string) => void,
  ): { readonly pid: number | null } {
    onStart();
    // cwd "/" because a server that outlives us must not pin a directory of ours.
    const child = spawn(file, args, {
      stdio: "ignore",
      detached: true,
      cwd: "/",
      env: { ...baseEnv, ...options.env },
    });
    let told = false;
    const tell = (why: string) => {
      if (told) return;
      told = true;
      onExit(why);
    };
    child.on("error", (error) => tell(`${file} did not start: ${error.message}`));
    child.on("exit", (code, signal) => tell(`${file} ended with ${signal ?? String(code)}`));
    child.unref();
    return { pid: child.pid ?? null };
  }

  function feed(file: string, args: readonly string[], onEnd: (why: string) => void): LineFeed {
    onStart();
    const child = spawn(file, args, { stdio: ["pipe", "ignore", "ignore"], env: baseEnv });
    let alive = true;
    let stopped = false;
    const end = (why: string): void => {
      if (!alive) return;
      alive = false;
      onEnd(why);
    };
    child.on("error", (error) => end(`${file} did not start: ${error.message}`));
    child.on("exit", (code, signal) => end(`${file} ended with ${signal ?? String(code)}`));
    child.stdin.on("error", (error) => end(`${file} does not read: ${error.message}`));
    // It waits for orders; that must not keep this process alive.
    child.unref();
    return {
      send(orders) {
        // What piles up unread would be carried out late, when nobody expects it any more.
        if (!alive || stopped || child.stdin.writableLength > 0) return false;
        child.stdin.write(`${orders.join("\n")}\n`);
        return true;
      },
      stop() {
        stopped = true;
        child.kill("SIGKILL");
      },
    };
  }

  return { run, lines, detach, launch, feed, expect: waiting.expect };
}

/** The shell's convention, so that one number tells an exit from a death by signal. */
function signalCode(signal: string | undefined): number {
  const known = Object.entries(constants.signals).find(([name]) => name === signal);
  return 128 + (known?.[1] ?? 0);
}

function groupLives(pgid: number): boolean {
  try {
    process.kill(-pgid, 0);
    return true;
  } catch (thrown) {
    // EPERM: somebody is there, only not ours to signal.
    return (thrown as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function killGroup(pgid: number): void {
  try {
    process.kill(-pgid, "SIGKILL");
  } catch (thrown) {
    // ESRCH: it ended between the deadline and this line.
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}
