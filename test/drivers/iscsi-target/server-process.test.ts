import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { after, describe, it } from "node:test";
import {
  isAlive,
  isFinished,
  readNote,
  removeNote,
  startTicksOf,
  writeNote,
} from "../../../src/drivers/iscsi-target/tgtd/server-process.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-note-"));
after(() => rmSync(folder, { recursive: true }));

describe("the note of the server", () => {
  it("comes back as it was written, and is gone after removal, twice", () => {
    const path = join(folder, "deeper", "note.json");
    const note = { pid: 77, startTicks: "123", resources: { "/dev/drbd1": "iscsi1" } };
    writeNote(path, note);
    assert.deepEqual(readNote(path), note);
    removeNote(path);
    removeNote(path);
    assert.equal(readNote(path), null);
  });

  it("that is damaged is no note", () => {
    const path = join(folder, "note.json");
    for (const text of ["", "{", "[]", "null", '{"pid":"1"}', '{"pid":1,"startTicks":"1","resources":{}}']) {
      writeFileSync(path, text);
      assert.equal(readNote(path), null, text);
    }
  });
});

describe("the server's process", () => {
  it("is known by its start time, not by its pid alone", () => {
    const own = startTicksOf(process.pid);
    assert.ok(own !== null);
    assert.equal(isFinished(process.pid, own), false);
    assert.equal(isFinished(process.pid, `${own}1`), true);
  });

  it("is not adopted when the pid belongs to another program", () => {
    const startTicks = startTicksOf(process.pid);
    assert.ok(startTicks !== null);
    assert.equal(isAlive({ pid: process.pid, startTicks, resources: {} }), false);
  });

  it("is finished as a zombie that nobody has reaped", async () => {
    // The shell becomes a sleep that never waits for the child it had as a shell.
    const parent = spawn("sh", ["-c", "sleep 0.1 & echo $!; exec sleep 30"], { stdio: ["ignore", "pipe", "ignore"] });
    const pid = await new Promise<number>((resolve) => parent.stdout.once("data", (text) => resolve(Number(text))));
    const startTicks = startTicksOf(pid);
    assert.ok(startTicks !== null);
    assert.equal(isFinished(pid, startTicks), false);
    await delay(300);
    assert.ok(existsSync(`/proc/${pid}`), "it should be a zombie by now, not reaped");
    assert.equal(isFinished(pid, startTicks), true);
    assert.equal(startTicksOf(pid), null);
    parent.kill("SIGKILL");
  });
});
