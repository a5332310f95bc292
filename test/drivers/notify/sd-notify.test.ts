import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ExecPort, ExecResult } from "../../../src/drivers/exec/port.ts";
import { createExec } from "../../../src/drivers/exec/run.ts";
import { createNotifier, watchdogPeriodMs, type Notifier } from "../../../src/drivers/notify/sd-notify.ts";

interface Bench {
  readonly notifier: Notifier;
  readonly calls: (readonly string[])[];
  readonly failures: string[];
  at: number;
  end(result?: ExecResult): Promise<void>;
}

const done: ExecResult = { kind: "exited", code: 0, stdout: "", stderr: "", elapsedMs: 1 };

/** A scripted systemd-notify: every call stays open until `end`. */
function bench(env: Record<string, string> = { NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "9000000" }): Bench {
  const calls: (readonly string[])[] = [];
  const failures: string[] = [];
  const open: ((result: ExecResult) => void)[] = [];
  const exec: Pick<ExecPort, "run"> = {
    run(file, args, options) {
      assert.equal(file, "systemd-notify");
      assert.deepEqual(options.env, { NOTIFY_SOCKET: "/run/n" });
      calls.push(args);
      return new Promise((resolve) => open.push(resolve));
    },
  };
  const made: Bench = {
    notifier: createNotifier({ exec, env, pid: 42, now: () => made.at, onFailure: (reason) => failures.push(reason) }),
    calls,
    failures,
    at: 0,
    async end(result = done) {
      open.shift()?.(result);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
  return made;
}

test("ready goes out at once, with the daemon's pid and the status", async () => {
  const b = bench();
  b.notifier.ready();
  assert.deepEqual(b.calls, [["--pid=42", "READY=1"]]);
  b.notifier.status("standby");
  b.notifier.stopping();
  assert.equal(b.calls.length, 1, "one process at a time");
  await b.end();
  assert.deepEqual(b.calls[1], ["--pid=42", "STOPPING=1", "STATUS=standby"]);
});

test("pings go out once per third of WatchdogSec, however often a cycle ends", async () => {
  const b = bench();
  for (b.at = 0; b.at < 9000; b.at += 50) {
    b.notifier.alive();
    await b.end();
  }
  assert.deepEqual(b.calls, [
    ["--pid=42", "WATCHDOG=1"],
    ["--pid=42", "WATCHDOG=1"],
    ["--pid=42", "WATCHDOG=1"],
  ]);
});

test("without a finished cycle no ping goes out, whatever else is said", async () => {
  const b = bench();
  for (b.at = 0; b.at < 30_000; b.at += 1500) {
    b.notifier.status(`round ${b.at}`);
    await b.end();
  }
  assert.equal(b.calls.length, 20);
  assert.ok(b.calls.every((words) => !words.includes("WATCHDOG=1")));
});

test("a status that changes quickly is told once a second, the last one in the end", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const b = bench();
  b.notifier.status("first");
  for (let n = 0; n < 50; n += 1) b.notifier.status(`change ${n}`);
  const ended = b.end();
  context.mock.timers.tick(0);
  await ended;
  assert.deepEqual(b.calls, [["--pid=42", "STATUS=first"]]);
  b.at = 1000;
  context.mock.timers.tick(1000);
  assert.deepEqual(b.calls[1], ["--pid=42", "STATUS=change 49"]);
  await b.end();
  b.at = 5000;
  b.notifier.status("change 49");
  assert.equal(b.calls.length, 2, "what was said already is not said again");
});

test("a status cannot smuggle another assignment in", () => {
  const b = bench();
  b.notifier.status("bad\nMAINPID=1\0\n");
  assert.deepEqual(b.calls, [["--pid=42", "STATUS=bad MAINPID=1 "]]);
});

test("outside systemd nothing is ever started", () => {
  const b = bench({});
  b.notifier.ready();
  b.notifier.status("x");
  b.notifier.alive();
  b.notifier.stopping();
  assert.deepEqual(b.calls, []);
});

test("no pings when systemd expects none, or expects another process's", () => {
  assert.equal(watchdogPeriodMs({}, 42), null);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "0" }, 42), null);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "9000000", WATCHDOG_PID: "41" }, 42), null);
  assert.equal(watchdogPeriodMs({ WATCHDOG_USEC: "9000000", WATCHDOG_PID: "42" }, 42), 3000);
});

test("a failure is told once and the next message is tried again", async () => {
  const b = bench();
  b.notifier.ready();
  await b.end({ kind: "not-started", reason: "ENOENT" });
  b.at = 2000;
  b.notifier.status("x");
  await b.end({ kind: "not-started", reason: "ENOENT" });
  b.at = 4000;
  b.notifier.status("y");
  await b.end();
  assert.equal(b.calls.length, 3);
  assert.deepEqual(b.failures, ['Cannot tell systemd "READY=1": found not-started, expected exit code 0']);
});

test("a READY=1 that got lost is said again, with the newest status", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const b = bench();
  b.notifier.status("joining");
  b.notifier.ready();
  await b.end({ kind: "timeout", pid: 7, afterMs: 4000 });
  // The process that hangs still holds the lane.
  assert.deepEqual(b.calls[1], undefined);
  context.mock.timers.tick(1000);
  assert.deepEqual(b.calls[1], ["--pid=42", "READY=1", "STATUS=joining"]);
  await b.end({ kind: "busy", pid: 7 });
  b.notifier.status("standby");
  assert.deepEqual(b.calls[2], ["--pid=42", "READY=1", "STATUS=standby"]);
  await b.end();
  b.at = 5000;
  b.notifier.stopping();
  assert.deepEqual(b.calls[3], ["--pid=42", "STOPPING=1"]);
});

test("the real systemd-notify delivers to the socket", async (context) => {
  for (const program of ["systemd-notify", "perl"]) {
    if (spawnSync(program, ["--version"]).error !== undefined) return context.skip(`${program} is not installed`);
  }
  const folder = mkdtempSync(join(tmpdir(), "tandem-notify-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "notify");
  // Node has no such socket, which is the reason for all this.
  const script =
    "use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0])) or die; $| = 1;" +
    ' print "bound\\n"; while (1) { recv($s, my $m, 4096, 0); $m =~ s/\\n/|/g; print "$m\\n"; }';
  const receiver = spawn("perl", ["-e", script, path], { stdio: ["ignore", "pipe", "inherit"] });
  context.after(() => receiver.kill("SIGKILL"));
  let heard = "";
  receiver.stdout.on("data", (chunk: Buffer) => (heard += chunk.toString()));
  const until = async (what: string): Promise<void> => {
    for (let round = 0; round < 250 && !heard.includes(what); round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(heard.includes(what), `never heard ${what}: ${heard}`);
  };
  await until("bound");
  const failures: string[] = [];
  const notifier = createNotifier({
    exec: createExec(),
    env: { NOTIFY_SOCKET: path, WATCHDOG_USEC: "3000000" },
    pid: process.pid,
    now: () => performance.now(),
    onFailure: (reason) => failures.push(reason),
  });
  notifier.ready();
  notifier.status("owner, in contact");
  notifier.alive();
  await notifier.settled();
  await until("READY=1");
  await until("WATCHDOG=1|STATUS=owner, in contact");
  assert.match(heard, new RegExp(`MAINPID=${process.pid}`));
  assert.deepEqual(failures, []);
});
