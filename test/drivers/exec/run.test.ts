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
