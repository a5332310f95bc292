// The log: what stands in a line, what never does, and that a broken disk or a rotated file disturbs nobody.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { inspect } from "node:util";
import { events, isEventName } from "../../src/report/events.ts";
import { openLogFile } from "../../src/report/log-file.ts";
import { createLogger } from "../../src/report/logger.ts";
import { Secret } from "../../src/config/secret.ts";

let directory = "";
let path = "";

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "tandem-report-"));
  path = join(directory, "log", "tandemd.log");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const read = (at = path): Record<string, unknown>[] =>
  readFileSync(at, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line): Record<string, unknown> => JSON.parse(line));
const logger = (more: { level?: "debug" | "info" } = {}) =>
  createLogger({ node: "xcp1", level: more.level ?? "info", path, stderr: false, wallMs: () => 1_000 });

describe("logger", () => {
  test("a line holds event, level, node, time, the registry's text and the data", () => {
    const log = logger();
    log.event("vip.added", { vip: "10.10.10.3", elapsedMs: 5 });
    assert.deepEqual(read(), [
      {
        level: "info",
        time: 1000,
        node: "xcp1",
        vip: "10.10.10.3",
        elapsedMs: 5,
        event: "vip.added",
        msg: "The floating IP was added here",
      },
    ]);
  });

  test("is on the disk when the call returns, and one threshold rules the children too", () => {
    const log = logger();
    const child = log.child({ resource: "iscsi1" });
    child.event("cycle.completed");
    log.event("state.changed", {}, "debug");
    assert.equal(existsSync(path) && read().length, false);
    log.setLevel("debug");
    child.event("cycle.completed");
    assert.equal(read()[0]?.["resource"], "iscsi1");
    log.setLevel("silent");
    child.event("fence.failed");
    assert.equal(read().length, 1);
  });

  test("a secret is [set] wherever it stands", () => {
    const log = logger();
    log.event("config.changed", {
      value: new Secret("hunter2"),
      list: [new Secret("hunter2")],
      text: `${String(new Secret("hunter2"))}!`,
      FENCE_PASSWD: "hunter2",
      parameters: { SMTP_PASS: "hunter2", deep: { password: "hunter2" } },
    });
    const text = readFileSync(path, "utf8");
    assert.ok(!text.includes("hunter2"), text);
    assert.equal(text.split("[set]").length, 7);
  });

  test("data that cannot be printed costs its line, not the daemon", () => {
    const log = logger();
    const loop: Record<string, unknown> = {};
    loop["loop"] = loop;
    log.event("state.changed", { loop, big: 1n });
    log.event("state.changed", {
      get bad(): string {
        throw new Error("no value");
      },
    });
    assert.equal(read().length, 2);
    assert.equal(read()[1]?.["event"], "log.lost");
  });

  test("data cannot pretend to be another event", () => {
    const log = logger();
    log.event("action.failed", { event: "fence.confirmed" });
    assert.equal(read()[0]?.["event"], "action.failed");
  });
});

describe("log file", () => {
  const lostLine = (count: number, reason: string): string => `lost ${count}: ${reason}\n`;

  test("follows a rotated and a removed file", () => {
    let now = 0;
    const file = openLogFile({ path, lostLine, nowMs: () => now });
    file.write("one\n");
    renameSync(path, `${path}.1`);
    now += 2000;
    file.write("two\n");
    rmSync(join(directory, "log"), { recursive: true });
    now += 2000;
    file.write("three\n");
    file.close();
    assert.equal(readFileSync(path, "utf8"), "three\n");
  });

  test("a directory that cannot be made loses lines, counts them and tells later", () => {
    let now = 0;
    const blocked = join(directory, "blocked");
    const file = openLogFile({ path: "/proc/tandem-no-such/log", lostLine, nowMs: () => now });
    file.write("one\n");
    file.close();

    const later = openLogFile({ path: join(blocked, "log"), lostLine, nowMs: () => now });
    later.write("before\n");
    rmSync(blocked, { recursive: true });
    // A file stands where the directory was.
    createLogger({ node: "x", level: "info", path: blocked, stderr: false }).event("daemon.started");
    now += 2000;
    later.write("lost one\n");
    later.write("lost two\n");
    rmSync(blocked);
    later.write("after\n");
    later.close();
    assert.match(readFileSync(join(blocked, "log"), "utf8"), /^lost 2: .*\nafter\n$/);
  });

  test("a full disk loses lines without a throw", { skip: !existsSync("/dev/full") && "no /dev/full here" }, () => {
    const file = openLogFile({ path: "/dev/full", lostLine, nowMs: () => 0 });
    file.write("one\n");
    file.write("two\n");
    file.close();
    assert.throws(() => readFileSync(path), /ENOENT/);
  });
});

describe("events", () => {
  test("every text is one sentence without data, no longer than a line", () => {
    for (const [name, { text }] of Object.entries(events)) {
      assert.match(name, /^[a-z-]+\.[a-z]+$/);
      assert.match(text, /^[A-Z][^.:"{}$\d]*$/, name);
      assert.ok(text.length <= 72, name);
    }
  });

  test("a name from outside is recognised or not", () => {
    assert.equal(isEventName("self-fence.begun"), true);
    assert.equal(isEventName("toString"), false);
  });
});

describe("secret", () => {
  test("shows itself only to reveal()", () => {
    const secret = new Secret("hunter2");
    assert.deepEqual(
      [String(secret), JSON.stringify({ secret }), inspect(secret), inspect({ a: [secret] }), secret.reveal()],
      ["[set]", '{"secret":"[set]"}', "[set]", "{ a: [ [set] ] }", "hunter2"],
    );
  });
});
