// The holder: owns the watchdog device, feeds it on a fresh token of the one connected daemon, and on nothing else. Never
// closes the device but by a proven disarm; silence, EOF, signals and errors only mean "stop feeding".
//
//   start ──open device──► armed ──T──► armed (fed)
//                            ├──EOF──► armed, waits for the next daemon
//                            └──D + proof──► magic close, ends

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setPriority } from "node:os";
import { dirname } from "node:path";
import type { Millis } from "../../core/model/time.ts";
import { openDevice, type Device } from "./device.ts";
import { createLineReader, greeting, machineMs, parseDaemonLine, provesDisarm, tokenLifeMs } from "./protocol.ts";

/** Of cgroup version 1; where there is none, nothing has to be left. */
const ROOT_CPU_GROUP = "/sys/fs/cgroup/cpu/cgroup.procs";

export interface HoldingOptions {
  readonly device: string;
  readonly timeoutMs: Millis;
  readonly socketPath: string;
  /** Made by the daemon before the start; removed at disarm, so that it tells a dead holder from a disarmed one. */
  readonly keyPath: string;
  /** One line for who started the holder: "armed" or why not. */
  readonly report: (line: string) => void;
}

/** Runs until it is disarmed; the exit code is 0 then, 1 when the device could not be armed. */
export async function runHolder(options: HoldingOptions): Promise<number> {
  const { device: path, timeoutMs, socketPath, keyPath, report } = options;
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"] as const) process.on(signal, () => undefined);
  const refuse = (reason: string): number => {
    report(reason);
    return 1;
  };
  if (await someoneListens(socketPath)) return refuse(`Cannot arm the watchdog: another holder is at ${socketPath}`);
  let key: Uint8Array;
  try {
    key = readFileSync(keyPath);
    prepareSocketPath(socketPath);
  } catch (error) {
    return refuse(`Cannot arm the watchdog: ${error instanceof Error ? error.message : String(error)}`);
  }
  makeUnkillable();
  return new Promise((resolve) => {
    const end = (code: number): void => {
      rmSync(keyPath, { force: true });
      rmSync(socketPath, { force: true });
      resolve(code);
    };
    // First reachable, then armed, in one turn: an armed device that no daemon can feed resets the host.
    const server = createServer();
    server.on("error", (error) => {
      end(1);
      report(`Cannot arm the watchdog: cannot listen at ${socketPath}: ${error.message}`);
    });
    server.listen(socketPath, () => {
      const opened = openDevice(path, timeoutMs);
      if (!opened.ok) {
        server.close();
        // In this order: a key that is left tells of a holder that was killed.
        end(1);
        return report(opened.error);
      }
      process.on("uncaughtException", () => undefined);
      opened.value.feed();
      serve(server, opened.value, key, () => end(0));
      report("armed");
    });
  });
}

function prepareSocketPath(socketPath: string): void {
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 });
  rmSync(socketPath, { force: true });
  process.umask(0o177);
}

function someoneListens(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Best effort: without these the holder may be late or killed, and then the host is reset, which is the safe side. */
function makeUnkillable(): void {
  const attempts: readonly (() => void)[] = [
    () => writeFileSync("/proc/self/oom_score_adj", "-1000"),
    () => setPriority(-20),
    // A kernel that shares real time out among groups (RT_GROUP_SCHED, as dom0's does) refuses it to systemd's, which have none.
    () => writeFileSync(ROOT_CPU_GROUP, String(process.pid)),
    () => {
      const child = spawn("chrt", ["--all-tasks", "--fifo", "--pid", "10", String(process.pid)], { stdio: "ignore" });
      child.on("error", () => undefined);
    },
  ];
  for (const attempt of attempts) {
    try {
      attempt();
    } catch {
      continue;
    }
  }
}

function serve(server: Server, device: Device, key: Uint8Array, onDisarmed: () => void): void {
  let daemon: Socket | null = null;

  function accept(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (daemon !== null) return void socket.end("busy\n");
    daemon = socket;
    const nonce = randomBytes(16).toString("hex");
    const lines = createLineReader();
    socket.on("close", () => {
      if (daemon === socket) daemon = null;
    });
    socket.on("data", (chunk: Buffer) => {
      const whole = lines(chunk);
      if (whole === null) return void socket.destroy();
      // Many tokens at once are a backlog: one byte is enough, and the newest decides.
      for (const line of whole) answer(socket, nonce, line);
    });
    socket.write(`${greeting(nonce, process.pid)}\n`);
  }

  function answer(socket: Socket, nonce: string, line: string): void {
    const said = parseDaemonLine(line);
    switch (said.kind) {
      case "token": {
        const ageMs = machineMs() - said.atMs;
        if (ageMs < 0 || ageMs > tokenLifeMs) return void socket.write("S\n");
        const failed = device.feed();
        return void socket.write(failed === null ? "F\n" : `E ${failed}\n`);
      }
      case "disarm": {
        if (!provesDisarm(key, nonce, said.proof)) return void socket.write("R the proof is wrong\n");
        const failed = device.disarm();
        if (failed !== null) return void socket.write(`R ${failed}\n`);
        server.close();
        socket.end("D\n");
        return onDisarmed();
      }
      case "noise":
        return void socket.destroy();
    }
  }

  server.on("connection", accept);
}
