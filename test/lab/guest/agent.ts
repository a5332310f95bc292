// Runs in a lab node: answers commands on the control network, and starts the services as systemd would (Restart=always), or
// has systemd do it where that is PID 1. One JSON object per line in, one out.

import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";

interface OwnService {
  readonly name: string;
  readonly argv: readonly string[];
  readonly restartMs: number;
}
/** systemd's. */
interface UnitService {
  readonly name: string;
  readonly unit: string;
}
type Service = OwnService | UnitService;

type Ask =
  | { readonly op: "exec"; readonly command: string; readonly timeoutMs: number }
  | { readonly op: "write"; readonly path: string; readonly content: string; readonly mode: number }
  | { readonly op: "service"; readonly name: string; readonly run: boolean }
  /** One call on this node's xapi, on its unix socket, with a login around it. */
  | { readonly op: "xapi"; readonly method: string; readonly params: readonly unknown[]; readonly timeoutMs: number }
  | { readonly op: "ping" }
  /** From here on the connection carries the bytes of a terminal. */
  | { readonly op: "shell"; readonly columns: number; readonly rows: number };

const [address = "127.0.0.1"] = process.argv.slice(2);
const services = JSON.parse(readFileSync("/lab/services.json", "utf8")) as readonly Service[];
const AUTOSTART = "/lab/autostart";
const SYSTEMCTL_MS = 10_000;
const running = new Map<string, { pid: number | undefined; wanted: boolean }>();

function start(service: OwnService): void {
  const state = running.get(service.name) ?? { pid: undefined, wanted: true };
  running.set(service.name, state);
  if (!state.wanted) return;
  mkdirSync("/var/log/lab", { recursive: true });
  const log = openSync(`/var/log/lab/${service.name}.log`, "a");
  const [file = "/bin/false", ...args] = service.argv;
  const child = spawn(file, args, {
    stdio: ["ignore", log, log],
    detached: true,
    env: {
      MALLOC_ARENA_MAX: "1",
      MALLOC_TRIM_THRESHOLD_: "131072",
      MALLOC_TOP_PAD_: "524288",
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: "/root",
      NODE_COMPILE_CACHE: "/var/cache/tandem",
    },
  });
  state.pid = child.pid;
  child.on("error", () => setTimeout(() => start(service), service.restartMs));
  child.on("exit", () => {
    state.pid = undefined;
    setTimeout(() => start(service), service.restartMs);
  });
}

/** A group may be gone between the look and the signal; as PID 1 this program must not end over it. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") console.error(thrown);
  }
}

/** So long after the end of a command something that it left behind may hold its pipes. */
const LEFT_BEHIND_MS = 500;

function exec(command: string, timeoutMs: number): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const env = { ...process.env, PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" };
    const child = spawn("bash", ["-c", command], { stdio: ["ignore", "pipe", "pipe"], detached: true, env });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (d: Buffer) => (stdout += d.toString("utf8")));
    child.stderr.on("data", (d: Buffer) => (stderr += d.toString("utf8")));
    let done = false;
    const end = (code: number): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      // A daemon the command left behind may hold the pipes for ever.
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code, stdout, stderr });
    };
    const timer = setTimeout(() => {
      if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL");
      stderr += "\nno answer before the deadline";
      end(124);
    }, timeoutMs);
    child.on("error", (error) => {
      stderr += error.message;
      end(127);
    });
    child.on("close", (code) => end(code ?? 137));
    // What it wrote last is read first, however late this agent comes to that on a loaded node.
    child.on("exit", (code) => setTimeout(() => setImmediate(() => end(code ?? 137)), LEFT_BEHIND_MS));
  });
}

function post(method: string, params: readonly unknown[], timeoutMs: number): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath: "/var/lib/xcp/xapi",
        path: "/jsonrpc",
        method: "POST",
        headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
        signal: AbortSignal.timeout(timeoutMs),
      },
      (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
        response.on("end", () => {
          const reply = JSON.parse(text) as { readonly error?: unknown; readonly result?: unknown };
          if (reply.error !== undefined && reply.error !== null) reject(new Error(JSON.stringify(reply.error)));
          else resolve(reply.result);
        });
      },
    );
    call.on("error", reject);
    call.end(body);
  });
}

async function xapi(method: string, params: readonly unknown[], timeoutMs: number): Promise<unknown> {
  try {
    const session = await post("session.login_with_password", ["root", "", "1.0", "lab"], timeoutMs);
    const result = await post(method, [session, ...params], timeoutMs);
    await post("session.logout", [session], timeoutMs);
    return { code: 0, stdout: JSON.stringify(result), stderr: "" };
  } catch (error) {
    return { code: 1, stdout: "", stderr: error instanceof Error ? error.message : String(error) };
  }
}

/** util-linux's script makes the terminal; its end, or the connection's, ends the shell. */
function shell(socket: Socket, { columns, rows }: Ask & { op: "shell" }, early: Buffer): void {
  const env = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    TERM: "xterm-256color",
  };
  const begin = `stty columns ${Math.trunc(columns)} rows ${Math.trunc(rows)}; exec bash -i`;
  const child = spawn("script", ["-q", "-e", "-c", begin, "/dev/null"], { detached: true, env, cwd: "/root" });
  child.stdin.on("error", () => undefined);
  child.stdin.write(early);
  socket.pipe(child.stdin);
  child.stdout.pipe(socket, { end: false });
  child.stderr.pipe(socket, { end: false });
  const end = (): void => void socket.end();
  child.on("error", end);
  child.on("close", end);
  socket.on("close", () => {
    if (child.pid !== undefined && child.exitCode === null) signalGroup(child.pid, "SIGHUP");
  });
}

async function answer(ask: Exclude<Ask, { op: "shell" }>): Promise<unknown> {
  switch (ask.op) {
    case "xapi":
      return xapi(ask.method, ask.params, ask.timeoutMs);
    case "ping":
      return { ok: true, wallMs: Date.now() };
    case "exec":
      return exec(ask.command, ask.timeoutMs);
    case "write":
      mkdirSync(dirname(ask.path), { recursive: true });
      writeFileSync(ask.path, ask.content, { mode: ask.mode });
      chmodSync(ask.path, ask.mode);
      return { code: 0, stdout: "", stderr: "" };
    case "service": {
      const service = services.find((s) => s.name === ask.name);
      if (service === undefined) return { code: 1, stdout: "", stderr: `no service ${ask.name}` };
      if ("unit" in service)
        return exec(`systemctl --no-block ${ask.run ? "start" : "stop"} ${service.unit}`, SYSTEMCTL_MS);
      const state = running.get(ask.name) ?? { pid: undefined, wanted: false };
      state.wanted = ask.run;
      running.set(ask.name, state);
      if (ask.run) {
        // From now on the node starts its services at boot, as an installed host does.
        writeFileSync(AUTOSTART, "");
        spawn("sync", { stdio: "ignore" });
      }
      if (ask.run && state.pid === undefined) start(service);
      if (!ask.run && state.pid !== undefined) signalGroup(state.pid, "SIGTERM");
      return { code: 0, stdout: "", stderr: "" };
    }
  }
}

/**
 * The watchdog's line is a terminal, which a real watchdog is not: the first session leader to open it would own it, and
 * its end would hang the line up for everybody else who feeds it. So it gets an owner that never ends. Raw, so that
 * bytes go through as they are.
 */
function ownWatchdogLine(): void {
  spawn("setsid", ["bash", "-c", "exec 0<>/dev/ttyS0 && stty raw -echo -hupcl && exec sleep infinity"], {
    stdio: "ignore",
  });
}

ownWatchdogLine();
createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => socket.destroy());
  let held = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    held = Buffer.concat([held, chunk]);
    let end: number;
    while ((end = held.indexOf("\n")) >= 0) {
      const ask = JSON.parse(held.subarray(0, end).toString("utf8")) as Ask;
      held = held.subarray(end + 1);
      if (ask.op === "shell") {
        socket.off("data", onData);
        return shell(socket, ask, held);
      }
      void answer(ask).then((reply) => socket.writable && socket.write(`${JSON.stringify(reply)}\n`));
    }
  };
  socket.on("data", onData);
  // Half open for a shell only: whoever asked and is gone leaves nothing behind.
  socket.on("end", () => {
    if (socket.listenerCount("data", onData) > 0) socket.end();
  });
}).listen(7000, address, () => {
  writeFileSync("/dev/console", "LABREADY\n");
  if (existsSync(AUTOSTART)) for (const service of services) if ("argv" in service) start(service);
});
