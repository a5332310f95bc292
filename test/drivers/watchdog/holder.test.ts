import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { createWatchdog, type TandemWatchdog } from "../../../src/drivers/watchdog/holder.ts";
import { machineMs } from "../../../src/drivers/watchdog/protocol.ts";

interface Bench {
  /** A plain file in the device's place: it keeps every byte that was written. */
  readonly device: string;
  readonly socketPath: string;
  readonly folder: string;
  readonly watchdog: TandemWatchdog;
  written(): string;
  holders(): readonly number[];
  daemon(): TandemWatchdog;
}

function bench(context: TestContext): Bench {
  const folder = mkdtempSync(join(tmpdir(), "tandem-watchdog-"));
  const device = join(folder, "device");
  const socketPath = join(folder, "run", "watchdog.sock");
  writeFileSync(device, "");
  const daemons: TandemWatchdog[] = [];
  const daemon = (): TandemWatchdog => {
    const made = createWatchdog({ device, timeoutMs: 5000, socketPath });
    daemons.push(made);
    return made;
  };
  /** The processes that hold the device open, by the kernel's word. */
  const holders = (): readonly number[] =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => holds(pid, device));
  context.after(() => {
    for (const each of daemons) each.release();
    for (const pid of holders()) process.kill(pid, "SIGKILL");
    rmSync(folder, { recursive: true });
  });
  const written = (): string => readFileSync(device, "latin1");
  return { device, socketPath, folder, watchdog: daemon(), written, holders, daemon };
}

function holds(pid: number, path: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === path);
  } catch {
    return false;
  }
}

async function until(what: string, condition: () => boolean, meanwhile: () => void = () => undefined): Promise<void> {
  for (let round = 0; round < 250; round += 1) {
    if (condition()) return;
    meanwhile();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`never came true: ${what}`);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function armed(watchdog: TandemWatchdog, value: "changed" | "already"): Promise<void> {
  assert.deepEqual(await watchdog.arm(), { ok: true, value });
  assert.equal(watchdog.armed(), true);
}

async function feeds(bench: Bench, watchdog: TandemWatchdog): Promise<void> {
  const before = bench.written().length;
  await until(
    "a token feeds the device",
    () => bench.written().length > before,
    () => watchdog.token(),
  );
}

test("arming opens the device and feeds it once; every token writes one byte; without tokens none is written", async (context) => {
  const b = bench(context);
  assert.equal(b.watchdog.armed(), false);
  await armed(b.watchdog, "changed");
  assert.equal(b.written(), ".");
  await armed(b.watchdog, "already");
  await feeds(b, b.watchdog);
  await pause(50);
  const quiet = b.written();
  assert.match(quiet, /^\.+$/);
  await pause(300);
  assert.equal(b.written(), quiet);
  assert.equal(statSync(b.socketPath).mode & 0o777, 0o600);
  assert.equal(statSync(join(b.folder, "run")).mode & 0o777, 0o700);
});

test("disarming writes the magic byte last, closes the device, ends the holder and is idempotent", async (context) => {
  const b = bench(context);
  await armed(b.watchdog, "changed");
  await feeds(b, b.watchdog);
  assert.deepEqual(await b.watchdog.disarm(), { ok: true, value: "changed" });
  assert.equal(b.watchdog.armed(), false);
  assert.match(b.written(), /^\.+V$/);
  await until("the device is closed", () => b.holders().length === 0);
  assert.equal(existsSync(b.socketPath), false);
  assert.deepEqual(await b.watchdog.disarm(), { ok: true, value: "already" });
  b.watchdog.token();
  assert.match(b.written(), /^\.+V$/);
  await armed(b.watchdog, "changed");
});

test("SIGKILL of the daemon stops the feeding, leaves the device open, and the next daemon adopts the holder", async (context) => {
  const b = bench(context);
  const script = fileURLToPath(new URL("./feeder.ts", import.meta.url));
  const daemon = spawn(process.execPath, [script, b.device, b.socketPath], { stdio: ["ignore", "pipe", "inherit"] });
  context.after(() => daemon.kill("SIGKILL"));
  await until("the first daemon feeds", () => b.written().length > 5);
  const [holder, ...others] = b.holders();
  assert.deepEqual(others, []);
  assert.notEqual(holder, daemon.pid);
  const gone = new Promise((resolve) => daemon.on("close", resolve));
  daemon.kill("SIGKILL");
  await gone;
  await pause(100);
  const left = b.written();
  await pause(300);
  assert.equal(b.written(), left, "nobody vouches, nobody feeds");
  assert.deepEqual(b.holders(), [holder]);
  assert.doesNotMatch(left, /V/);
  await armed(b.watchdog, "already");
  await feeds(b, b.watchdog);
  assert.deepEqual(b.holders(), [holder]);
  assert.deepEqual(await b.watchdog.disarm(), { ok: true, value: "changed" });
  assert.match(b.written(), /V$/);
});

test("a second daemon is refused while the first one is connected", async (context) => {
  const b = bench(context);
  await armed(b.watchdog, "changed");
  const second = b.daemon();
  const refused = await second.arm();
  assert.ok(!refused.ok && refused.error.kind === "unverified");
  assert.equal(refused.error.found, "another daemon feeds it");
  assert.equal(second.armed(), false);
  assert.equal((await second.disarm()).ok, false);
  await feeds(b, b.watchdog);
});

test("signals do not end the holder", async (context) => {
  const b = bench(context);
  await armed(b.watchdog, "changed");
  const [holder] = b.holders();
  assert.ok(holder !== undefined);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"] as const) process.kill(holder, signal);
  await pause(100);
  assert.deepEqual(b.holders(), [holder]);
  await feeds(b, b.watchdog);
});

test("a killed holder is noticed, a new one is armed, and disarming still ends with the magic byte", async (context) => {
  const b = bench(context);
  await armed(b.watchdog, "changed");
  process.kill(b.holders()[0] ?? 0, "SIGKILL");
  await until("not armed any more", () => !b.watchdog.armed());
  assert.doesNotMatch(b.written(), /V/);
  await armed(b.watchdog, "changed");
  process.kill(b.holders()[0] ?? 0, "SIGKILL");
  await until("not armed any more", () => !b.watchdog.armed());
  assert.deepEqual(await b.daemon().disarm(), { ok: true, value: "changed" }, "a daemon that never saw the holder");
  assert.match(b.written(), /V$/);
  await until("the device is closed", () => b.holders().length === 0);
});

test("a frozen holder counts as not armed, and on waking it feeds from none of the old tokens", async (context) => {
  const b = bench(context);
  await armed(b.watchdog, "changed");
  await feeds(b, b.watchdog);
  await pause(50);
  const [holder] = b.holders();
  assert.ok(holder !== undefined);
  process.kill(holder, "SIGSTOP");
  context.after(() => process.kill(holder, "SIGCONT"));
  const before = b.written();
  for (let n = 0; n < 5; n += 1) b.watchdog.token();
  await until("the missing answers are noticed", () => !b.watchdog.armed());
  process.kill(holder, "SIGCONT");
  await until("it answers again", () => b.watchdog.armed());
  assert.equal(b.written(), before);
  await feeds(b, b.watchdog);
});

/** Speaks to the holder by hand; what it answered once each line has its answer, or until it hung up. */
async function speak(socketPath: string, lines: readonly string[]): Promise<string> {
  let said = "";
  const socket = connect(socketPath);
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await until("the greeting", () => said.includes("\n") || socket.closed);
  if (said === "busy\n") {
    // The holder has not yet seen that the one before hung up.
    await until("the holder hangs up", () => socket.closed);
    return speak(socketPath, lines);
  }
  const greetingEnds = said.indexOf("\n") + 1;
  for (const line of lines) socket.write(`${line}\n`);
  const answers = (): string => said.slice(greetingEnds);
  await until("the answers", () => answers().split("\n").length > lines.length || socket.closed);
  socket.destroy();
  await until("closed", () => socket.closed);
  return answers();
}

test("old and future tokens, false proofs and noise neither feed nor disarm", async (context) => {
  const b = bench(context);
  await armed(b.watchdog, "changed");
  b.watchdog.release();
  const before = b.written();
  assert.equal(await speak(b.socketPath, [`T ${machineMs() - 2000}`, `T ${machineMs() + 60_000}`]), "S\nS\n");
  assert.equal(await speak(b.socketPath, [`D ${"0".repeat(64)}`]), "R the proof is wrong\n");
  for (const noise of ["T", "T -1", "V", "T 1e9", "D", "x".repeat(5000)]) {
    assert.equal(await speak(b.socketPath, [noise]), "");
  }
  assert.equal(b.written(), before);
  assert.equal(b.holders().length, 1);
  assert.equal(await speak(b.socketPath, [`T ${machineMs()}`]), "F\n", "the same hand can feed it: the test can fail");
});

test("a device that cannot be opened is an error with the reason, and nothing is left behind", async (context) => {
  const b = bench(context);
  const missing = createWatchdog({ device: join(b.folder, "none"), timeoutMs: 5000, socketPath: b.socketPath });
  const result = await missing.arm();
  assert.ok(!result.ok && result.error.kind === "exit");
  assert.match(result.error.stderr, /Cannot arm the watchdog .*none: ENOENT/);
  assert.deepEqual(await missing.disarm(), { ok: true, value: "already" });
  assert.deepEqual(readdirSync(join(b.folder, "run")), []);
});

test("a real device is not armed unless its driver tells the expected timeout", async (context) => {
  if (existsSync("/sys/class/watchdog/watchdog0/timeout")) return context.skip("this machine has a watchdog");
  const b = bench(context);
  const real = createWatchdog({ device: "/dev/null", timeoutMs: 5000, socketPath: b.socketPath });
  const result = await real.arm();
  assert.ok(!result.ok && result.error.kind === "exit");
  assert.match(result.error.stderr, /found no driver that tells its timeout, expected xen_wdt with 5000 ms/);
});

const CPU_GROUPS = "/sys/fs/cgroup/cpu";

/** Field 41 of proc(5)'s stat; the second one may hold blanks. 1: first in, first out. */
const policyOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ")[38]);

test("a holder gets its real-time priority out of a group that has no share of real time", async (context) => {
  if (!existsSync(`${CPU_GROUPS}/cpu.rt_runtime_us`)) return context.skip("this kernel shares no real time out");
  const b = bench(context);
  const group = `${CPU_GROUPS}/tandem-test-${process.pid}`;
  mkdirSync(group);
  context.after(() => {
    writeFileSync(`${CPU_GROUPS}/cgroup.procs`, String(process.pid));
    rmdirSync(group);
  });
  writeFileSync(`${group}/cgroup.procs`, String(process.pid));
  await armed(b.watchdog, "changed");
  const [holder = 0] = b.holders();
  await until("the holder runs with real-time priority", () => policyOf(holder) === 1, b.watchdog.token);
});

test("a holder program that is missing, or ends at once, is an error", async (context) => {
  const b = bench(context);
  const paths = { device: b.device, timeoutMs: 5000, socketPath: b.socketPath };
  const missing = await createWatchdog({ ...paths, command: ["/nonexistent/node"] }).arm();
  assert.ok(!missing.ok && missing.error.kind === "missing");
  const silent = await createWatchdog({ ...paths, command: ["false"] }).arm();
  assert.ok(!silent.ok && silent.error.kind === "exit");
});

test("a token to a holder that is gone is dropped without an error", (context) => {
  const b = bench(context);
  b.watchdog.token();
  assert.equal(b.written(), "");
});
