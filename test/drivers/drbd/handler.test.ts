// The real shell script against the real watch, in a directory of the test's own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, it } from "node:test";
import { createHandlerWatch } from "../../../src/drivers/drbd/handler.ts";
import type { HandlerCode, WaitingHandler } from "../../../src/drivers/drbd/port.ts";

const script = join(dirname(fileURLToPath(import.meta.url)), "../../../agents/drbd/fence-peer");

let directory: string;
const children: ReturnType<typeof spawn>[] = [];

function handler(resource: string | undefined): { pid: number; ended: Promise<number | null> } {
  const env = { PATH: process.env["PATH"] ?? "", TANDEM_FENCE_DIR: directory };
  const child = spawn("bash", [script], {
    env: resource === undefined ? env : { ...env, DRBD_RESOURCE: resource },
    stdio: "ignore",
  });
  children.push(child);
  return {
    pid: child.pid ?? -1,
    ended: new Promise((resolve) => child.on("exit", (code) => resolve(code))),
  };
}

async function until<T>(what: string, look: () => T | undefined): Promise<T> {
  for (let round = 0; round < 500; round++) {
    const seen = look();
    if (seen !== undefined) return seen;
    await delay(5);
  }
  assert.fail(`never happened: ${what}`);
}

describe("fence-peer handler", () => {
  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), "tandem-fence-")), "fence");
  });
  afterEach(() => {
    for (const child of children.splice(0)) if (child.exitCode === null) child.kill("SIGKILL");
    rmSync(dirname(directory), { recursive: true });
  });

  for (const code of [4, 7, 6, 1] as const satisfies readonly HandlerCode[]) {
    it(`exits with ${code} when the daemon answers ${code}, and takes its request away`, async () => {
      const port = createHandlerWatch(directory);
      const waiting: WaitingHandler[] = [];
      const watching = port.watch((one) => waiting.push(one));
      const child = handler("iscsi1");
      const request = await until("the request", () => waiting[0]);
      assert.equal(request.resource, "iscsi1");
      assert.deepEqual(await port.answer(request, code), { ok: true, value: "answered" });
      assert.equal(await child.ended, code);
      watching.stop();
      assert.deepEqual(readdirSync(directory), []);
      assert.equal(waiting.length, 1, "told once");
    });
  }

  it("takes the resource from the kernel's own call too", async () => {
    const port = createHandlerWatch(directory);
    const waiting: WaitingHandler[] = [];
    const watching = port.watch((one) => waiting.push(one));
    const env = { PATH: process.env["PATH"] ?? "", TANDEM_FENCE_DIR: directory };
    const child = spawn("bash", [script, "fence-peer", "iscsi1"], { env, stdio: "ignore" });
    children.push(child);
    const ended = new Promise((resolve) => child.on("exit", resolve));
    const request = await until("the request", () => waiting[0]);
    assert.equal(request.resource, "iscsi1");
    await port.answer(request, 7);
    assert.equal(await ended, 7);
    watching.stop();
  });

  it("makes no request of the kernel's other events: those are drbdadm's", async () => {
    const env = { PATH: process.env["PATH"] ?? "", TANDEM_FENCE_DIR: directory };
    const child = spawn("bash", [script, "before-resync-target", "minor-1"], { env, stdio: "ignore" });
    children.push(child);
    await new Promise((resolve) => child.on("exit", resolve));
    assert.ok(!existsSync(directory));
  });

  it("waits as long as nobody answers, over a restart of the daemon", async () => {
    const child = handler("with.dots-and_more");
    await until("the request", () => (existsSync(directory) ? readdirSync(directory)[0] : undefined));
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    const before: WaitingHandler[] = [];
    createHandlerWatch(directory)
      .watch((one) => before.push(one))
      .stop();
    const after: WaitingHandler[] = [];
    const port = createHandlerWatch(directory);
    const watching = port.watch((one) => after.push(one));
    assert.deepEqual(after, before);
    assert.equal(after[0]?.resource, "with.dots-and_more");
    await port.answer(after[0], 7);
    assert.equal(await child.ended, 7);
    watching.stop();
  });

  it("reports a second handler of the same resource as one of its own", async () => {
    const port = createHandlerWatch(directory);
    const waiting: WaitingHandler[] = [];
    const watching = port.watch((one) => waiting.push(one));
    const both = [handler("r0"), handler("r0")];
    await until("two requests", () => (waiting.length === 2 ? true : undefined));
    for (const one of waiting) await port.answer(one, 4);
    assert.deepEqual(await Promise.all(both.map((child) => child.ended)), [4, 4]);
    watching.stop();
  });

  it("stays with 1 when it reads something that is no exit code of ours, 5 above all", async () => {
    for (const text of ["5\n", "0\n", "7 \x00junk\n", "seven\n", "\n"]) {
      const child = handler("r0");
      const name = await until("the request", () => (existsSync(directory) ? readdirSync(directory)[0] : undefined));
      writeFileSync(join(directory, name), text);
      assert.equal(await child.ended, 1, JSON.stringify(text));
      await until("its request is gone", () => (readdirSync(directory).length === 0 ? true : undefined));
    }
  });

  it("refuses a resource name that could leave its directory", async () => {
    for (const name of ["../x", "a b", "a;b", "", undefined]) {
      assert.equal(await handler(name).ended, 1, String(name));
    }
    assert.ok(!existsSync(directory) || readdirSync(directory).length === 0);
  });

  it("takes its request away when it is told to end", async () => {
    const child = spawn("bash", [script], {
      env: { PATH: process.env["PATH"] ?? "", TANDEM_FENCE_DIR: directory, DRBD_RESOURCE: "r0" },
      stdio: "ignore",
    });
    children.push(child);
    const ended = new Promise((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal)));
    await until("the request", () => (existsSync(directory) ? readdirSync(directory)[0] : undefined));
    // Between mkfifo and the traps' first chance the signal ends it at once; it must not leave code 0 behind either way.
    await delay(50);
    child.kill("SIGTERM");
    assert.equal(await ended, 1);
    assert.deepEqual(readdirSync(directory), []);
  });

  it("finds the request of a killed handler gone and clears it away", async () => {
    const child = handler("r0");
    const name = await until("the request", () => (existsSync(directory) ? readdirSync(directory)[0] : undefined));
    process.kill(child.pid, "SIGKILL");
    await child.ended;
    const port = createHandlerWatch(directory);
    assert.deepEqual(await port.answer({ resource: "r0", id: name }, 7), { ok: true, value: "gone" });
    assert.deepEqual(readdirSync(directory), []);
    assert.deepEqual(await port.answer({ resource: "r0", id: name }, 7), { ok: true, value: "gone" });
  });

  it("answers a handler that has made its request and not opened it yet", async () => {
    // The script is stopped at that very point by a mkfifo of the test's own that takes its time after making the FIFO.
    const slow = mkdtempSync(join(tmpdir(), "tandem-slow-"));
    writeFileSync(join(slow, "mkfifo"), '#!/bin/bash\nPATH=/usr/bin:/bin mkfifo "$1"; sleep 0.3\n', { mode: 0o755 });
    const child = spawn("bash", [script], {
      env: { PATH: `${slow}:${process.env["PATH"] ?? ""}`, TANDEM_FENCE_DIR: directory, DRBD_RESOURCE: "r0" },
      stdio: "ignore",
    });
    children.push(child);
    const ended = new Promise((resolve) => child.on("exit", (code) => resolve(code)));
    const name = await until("the request", () => (existsSync(directory) ? readdirSync(directory)[0] : undefined));
    const port = createHandlerWatch(directory);
    assert.deepEqual(await port.answer({ resource: "r0", id: name }, 7), { ok: true, value: "answered" });
    assert.equal(await ended, 7);
    rmSync(slow, { recursive: true });
  });

  it("ignores files that are no requests and does not answer a file that is no FIFO", async () => {
    const port = createHandlerWatch(directory);
    const waiting: WaitingHandler[] = [];
    const watching = port.watch((one) => waiting.push(one));
    writeFileSync(join(directory, "README"), "");
    writeFileSync(join(directory, `r0.${process.pid}.1`), "");
    const false1 = await until("the false request", () => waiting[0]);
    const answered = await port.answer(false1, 7);
    assert.ok(!answered.ok && answered.error.kind === "unverified");
    assert.equal(waiting.length, 1);
    watching.stop();
  });

  it("goes on watching when the directory was removed and made again", async () => {
    const port = createHandlerWatch(directory);
    const waiting: WaitingHandler[] = [];
    const watching = port.watch((one) => waiting.push(one));
    rmSync(directory, { recursive: true });
    await until("a new directory", () => (existsSync(directory) ? true : undefined));
    const child = handler("r0");
    await port.answer(await until("the request", () => waiting[0]), 6);
    assert.equal(await child.ended, 6);
    watching.stop();
  });
});
