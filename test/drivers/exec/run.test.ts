import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, it } from "node:test";
import { createExec } from "../../../src/drivers/exec/run.ts";

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let round = 0; round < 500; round++) {
    if (condition()) return;
    await delay(10);
  }
  assert.fail(`never happened: ${what}`);
}

const isRunning = (pid: number) =>
  existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));

describe("exec", () => {
  it("returns exit code, output and complaint of a program that ends", async () => {
    const result = await createExec().run("sh", ["-c", "echo out; echo err >&2; exit 7"], { timeoutMs: 5000 });
    assert.equal(result.kind, "exited");
    assert.ok(result.kind === "exited");
    assert.deepEqual([result.code, result.stdout, result.stderr], [7, "out\n", "err\n"]);
  });

  it("gives a child the minimal environment, never the daemon's own", async () => {
    process.env["TANDEM_TEST_SECRET"] = "do not leak";
    const result = await createExec({ path: "/usr/bin:/bin" }).run("env", [], { timeoutMs: 5000, env: { EXTRA: "1" } });
    delete process.env["TANDEM_TEST_SECRET"];
    assert.ok(result.kind === "exited");
    assert.deepEqual(result.stdout.trim().split("\n").sort(), ["EXTRA=1", "LC_ALL=C", "PATH=/usr/bin:/bin"]);
  });

  it("passes arguments as they are, without a shell", async () => {
    const result = await createExec().run("printf", ["%s", "$HOME; `id` 'x'"], { timeoutMs: 5000 });
    assert.ok(result.kind === "exited");
    assert.equal(result.stdout, "$HOME; `id` 'x'");
  });

  it("gives an empty stdin unless one is given", async () => {
    const exec = createExec();
    const nothing = await exec.run("cat", [], { timeoutMs: 5000 });
    const something = await exec.run("cat", [], { timeoutMs: 5000, stdin: "line\n" });
    assert.ok(nothing.kind === "exited" && something.kind === "exited");
    assert.deepEqual([nothing.stdout, something.stdout], ["", "line\n"]);
  });

  it("reports a program that does not exist as not started", async () => {
    const result = await createExec().run("tandem-no-such-program", [], { timeoutMs: 5000 });
    assert.equal(result.kind, "not-started");
    assert.ok(result.kind === "not-started" && result.reason.includes("ENOENT"));
  });

  it("reports death by a signal as 128 plus its number", async () => {
    const result = await createExec().run("sh", ["-c", "kill -9 $$"], { timeoutMs: 5000 });
    assert.ok(result.kind === "exited");
    assert.equal(result.code, 137);
  });

  it("gives what was expected to the shell that waits for it, once", async () => {
    let started = 0;
    const exec = createExec({ onStart: () => (started += 1) });
    const args = ["-c", 'echo "$$ $PPID $0 $1"; exit 3', "a b", "$(c)"];
    exec.expect("sh", args);
    exec.expect("sh", args);
    assert.equal(started, 1);
    const first = await exec.run("sh", args, { timeoutMs: 5000 });
    assert.equal(started, 1);
    const second = await exec.run("sh", args, { timeoutMs: 5000 });
    assert.equal(started, 2);
    for (const one of [first, second]) {
      assert.ok(one.kind === "exited");
      assert.equal(one.code, 3);
      assert.match(one.stdout, new RegExp(`^\\d+ ${process.pid} a b \\$\\(c\\)\n$`));
    }
  });

  it("starts everything else as if nothing waited", async () => {
    const exec = createExec({ path: "/usr/bin:/bin" });
    exec.expect("cat", []);
    const given = await exec.run("cat", [], { timeoutMs: 5000, stdin: "line\n" });
    const other = await exec.run("printf", ["x"], { timeoutMs: 5000 });
    const expected = await exec.run("cat", [], { timeoutMs: 5000 });
    assert.deepEqual(
      [given, other, expected].map((one) => one.kind === "exited" && one.stdout),
      ["line\n", "x", ""],
    );
  });

  it("does without a waiting shell that somebody ended", async () => {
    const pids: number[] = [];
    const exec = createExec();
    exec.expect("sleep", ["0.01"]);
    const mine = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").map(Number);
    for (const pid of mine) {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("sleep")) continue;
      pids.push(pid);
      process.kill(pid, "SIGKILL");
    }
    assert.equal(pids.length, 1);
    await until("the shell is gone", () => pids.every((pid) => !isRunning(pid)));
    await delay(50);
    const done = await exec.run("sleep", ["0.01"], { timeoutMs: 5000 });
    assert.ok(done.kind === "exited" && done.code === 0);
  });

  it("says not started of an expected program that does not exist", async () => {
    const exec = createExec();
    exec.expect("tandem-no-such-program", []);
    const result = await exec.run("tandem-no-such-program", [], { timeoutMs: 5000 });
    assert.ok(result.kind === "not-started" && result.reason.includes("not found"), JSON.stringify(result));
  });

  it("counts the deadline of an expected program from its call, and ends it then", async () => {
    const exec = createExec();
    exec.expect("sleep", ["60"]);
    await delay(300);
    const began = performance.now();
    const result = await exec.run("sleep", ["60"], { timeoutMs: 200, lane: "lane" });
    assert.ok(result.kind === "timeout");
    assert.ok(performance.now() - began >= 190);
    await until("it is gone", () => !isRunning(result.pid));
  });

  it("ends what waits with the process that expected it, whose end it does not hold up", async () => {
    const source = `
      import { createExec } from ${JSON.stringify(new URL("../../../src/drivers/exec/run.ts", import.meta.url).href)};
      import { readFileSync } from "node:fs";
      createExec().expect("sleep", ["60"]);
      process.stdout.write(readFileSync("/proc/self/task/" + process.pid + "/children", "utf8"));`;
    const exec = createExec({ path: process.env["PATH"] ?? "" });
    const args = ["--disable-warning=ExperimentalWarning", "--input-type=module-typescript", "-e", source];
    const ran = await exec.run(process.execPath, args, { timeoutMs: 20_000 });
    assert.ok(ran.kind === "exited" && ran.code === 0, JSON.stringify(ran));
    const pid = Number(ran.stdout);
    assert.ok(pid > 1, ran.stdout);
    await until("the shell is gone", () => !isRunning(pid));
  });

  it("returns at the deadline although the program ignores SIGTERM, and kills its children too", async () => {
    const exec = createExec();
    const result = await exec.run("bash", ["-c", 'trap "" TERM; sleep 31.7 & wait; sleep 31.7'], { timeoutMs: 150 });
    assert.ok(result.kind === "timeout");
    assert.equal(result.afterMs, 150);
    await until("bash is gone", () => !isRunning(result.pid));
    const left = await exec.run("pgrep", ["-f", "^sleep 31.7$"], { timeoutMs: 5000 });
    assert.ok(left.kind === "exited");
    assert.equal(left.stdout, "", "the sleeping grandchild survived the deadline");
  });

  it("answers busy in a lane until the last process of the hung group is gone, and only in that lane", async () => {
    // What hangs in the kernel survives SIGKILL and stays in its process group. An unreaped zombie does the same: it is
    // in the group of the program, its parent has left that group, is not killed with it and never waits for it.
    const exec = createExec();
    const directory = mkdtempSync(join(tmpdir(), "tandem-exec-"));
    const note = join(directory, "keeper");
    const script = `
      my $leader = $$;
      if (fork == 0) {
        setpgrp(0, 0);
        if (fork == 0) { setpgrp(0, $leader); sleep 30; exit; }
        open F, ">", $ARGV[0]; print F $$; close F;
        sleep 30; exit;
      }
      sleep 30;`;
    const [first, beside] = await Promise.all([
      exec.run("perl", ["-e", script, note], { timeoutMs: 300, lane: "drbd:r0" }),
      // One that only was as slow, told later and gone with its deadline.
      exec.run("sleep", ["30"], { timeoutMs: 500, lane: "drbd:r0" }),
    ]);
    assert.ok(first.kind === "timeout" && beside.kind === "timeout");
    await until("the other one is gone", () => !isRunning(beside.pid));
    const keeper = Number(readFileSync(note, "utf8"));
    try {
      assert.deepEqual(await exec.run("true", [], { timeoutMs: 5000, lane: "drbd:r0" }), {
        kind: "busy",
        pid: first.pid,
      });
      assert.equal((await exec.run("true", [], { timeoutMs: 5000, lane: "drbd:r1" })).kind, "exited");
    } finally {
      process.kill(keeper, "SIGKILL");
      rmSync(directory, { recursive: true });
    }
    for (let round = 0; round < 200; round++) {
      if ((await exec.run("true", [], { timeoutMs: 5000, lane: "drbd:r0" })).kind === "exited") return;
      await delay(10);
    }
    assert.fail("the lane stays busy although the group is gone");
  });

  it("ends a program that prints without end and says so", async () => {
    const result = await createExec({ maxOutput: 10_000 }).run("yes", [], { timeoutMs: 5000 });
    assert.ok(result.kind === "exited");
    assert.equal(result.code, -1);
    assert.ok(result.stdout.length <= 10_000);
    assert.match(result.stderr, /more than 10000 characters/);
  });
});

describe("exec lines", () => {
  it("splits stdout into lines, tells the end once and with the complaint", async () => {
    const lines: string[] = [];
    const ends: string[] = [];
    createExec().lines(
      "sh",
      ["-c", "printf 'one\\ntw'; sleep 0.05; printf 'o\\nthree\\n'; echo sorry >&2; exit 3"],
      (line) => lines.push(line),
      (why) => ends.push(why),
    );
    await until("the end", () => ends.length > 0);
    assert.deepEqual(lines, ["one", "two", "three"]);
    assert.deepEqual(ends, ["sh ended with 3: sorry"]);
  });

  it("tells a program that cannot start as an end", async () => {
    const ends: string[] = [];
    createExec().lines(
      "tandem-no-such-program",
      [],
      () => assert.fail("no line"),
      (why) => ends.push(why),
    );
    await until("the end", () => ends.length > 0);
    assert.match(ends[0] ?? "", /did not start.*ENOENT/);
  });

  it("kills a program whose line never ends", async () => {
    const ends: string[] = [];
    const stream = createExec().lines(
      "sh",
      ["-c", "tr '\\0' x </dev/zero"],
      () => assert.fail("no line"),
      (why) => ends.push(why),
    );
    await until("the end", () => ends.length > 0);
    assert.match(ends[0] ?? "", /line of more than/);
    await until("it is gone", () => !isRunning(stream.pid));
  });

  it("says nothing more after stop", async () => {
    const seen: string[] = [];
    const stream = createExec().lines(
      "yes",
      [],
      (line) => seen.push(line),
      (why) => seen.push(why),
    );
    await until("a line", () => seen.length > 0);
    stream.stop();
    const count = seen.length;
    await until("it is gone", () => !isRunning(stream.pid));
    assert.equal(seen.length, count);
  });
});

describe("exec detach and launch", () => {
  it("does not wait for a detached program and reports one that cannot start", async () => {
    const errors: string[] = [];
    const exec = createExec();
    exec.detach("sleep", ["0.2"], (why) => errors.push(why));
    exec.detach("tandem-no-such-program", [], (why) => errors.push(why));
    await until("the complaint", () => errors.length > 0);
    assert.equal(errors.length, 1);
    assert.match(errors[0] ?? "", /ENOENT/);
  });

  it("launches a server in a session of its own and tells its death", async () => {
    const exits: string[] = [];
    const { pid } = createExec().launch("sleep", ["30"], {}, (why) => exits.push(why));
    assert.ok(pid !== null);
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    assert.equal(stat[3], String(pid), "session id is its own pid");
    process.kill(pid, "SIGKILL");
    await until("the death is told", () => exits.length > 0);
    assert.deepEqual(exits, ["sleep ended with SIGKILL"]);
  });
});
