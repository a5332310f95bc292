// The kernel's module: loaded when it is missing, and its event stream begun anew when it is another one.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { systemClock } from "../../../src/drivers/clock/system.ts";
import { createDrbd } from "../../../src/drivers/drbd/drbdadm.ts";
import { writeUsermodeHelper } from "../../../src/drivers/drbd/module.ts";
import { exited, scriptedExec, type Answer } from "../exec/scripted-exec.ts";

/** A kernel whose module comes and goes; each loading has its own number. */
function setUp(modprobe: Answer, loadedFirst: boolean) {
  const kernel = { loaded: loadedFirst, loadings: 1 };
  const load = (): void => {
    kernel.loaded = true;
    kernel.loadings += 1;
  };
  const exec = scriptedExec({ "modprobe drbd": modprobe });
  const helpers: string[] = [];
  const drbd = createDrbd(exec, systemClock(), {
    module: {
      version: () => (kernel.loaded ? "8.4.11" : null),
      instance: () => (kernel.loaded ? kernel.loadings : null),
    },
    helperPath: "/x/fence-peer",
    setHelper: (path) => helpers.push(path),
  });
  const lost: string[] = [];
  const follow = (): { stop(): void } =>
    drbd.follow(
      () => undefined,
      (why) => lost.push(why),
    );
  return { kernel, load, exec, drbd, helpers, lost, follow };
}

describe("DRBD's kernel module", () => {
  it("is loaded once for all who ask, and then calls our script", async () => {
    const gate = Promise.withResolvers<void>();
    const world = setUp(async () => {
      await gate.promise;
      world.load();
      return exited(0);
    }, false);
    assert.equal(world.drbd.isLoaded(), false);
    const both = [world.drbd.load(), world.drbd.load()];
    gate.resolve();
    assert.deepEqual(await Promise.all(both), [
      { ok: true, value: "changed" },
      { ok: true, value: "changed" },
    ]);
    assert.equal(world.drbd.isLoaded(), true);
    assert.deepEqual(await world.drbd.load(), { ok: true, value: "already" });
    assert.deepEqual(world.exec.commandLines(), ["modprobe drbd"]);
    assert.deepEqual([...new Set(world.helpers)], ["/x/fence-peer"]);
  });

  it("that cannot be loaded is told in modprobe's words, and the next one may", async () => {
    const world = setUp(exited(1, "", "modprobe: FATAL: Module drbd not found in directory /lib/modules/6.1"), false);
    for (let i = 0; i < 2; i++) {
      const failed = await world.drbd.load();
      assert.match(JSON.stringify(failed), /not found in directory/);
    }
    assert.equal(world.exec.calls.length, 2);
    assert.deepEqual(world.helpers, []);
    assert.equal(world.exec.calls[0]?.options?.lane, "drbd-module", "one that hangs in the kernel is not tried twice");
  });

  it("is followed anew when it was taken out and loaded again, also between two looks", async () => {
    const { kernel, load, exec, drbd, lost, follow } = setUp(exited(0), true);
    const following = follow();
    await turn();
    exec.streams[0]?.say("exists -");
    assert.equal(drbd.isLoaded(), true);
    assert.equal(drbd.isLoaded(), true);
    assert.deepEqual(lost, []);
    kernel.loaded = false;
    load();
    assert.equal(drbd.isLoaded(), true);
    await turn();
    assert.deepEqual(lost, ["the kernel module was loaded"]);
    assert.equal(exec.streams[0]?.stopped(), true, "its stream would stay silent");
    kernel.loaded = false;
    assert.equal(drbd.isLoaded(), false);
    following.stop();
  });

  it("that comes does not wait for the pause of a stream that failed without it", async () => {
    const { exec, drbd, load, follow } = setUp(() => {
      load();
      return exited(0);
    }, false);
    const following = follow();
    await turn();
    drbd.isLoaded();
    exec.streams[0]?.end("Could not connect to 'drbd' generic netlink family");
    await turn();
    assert.equal(exec.streams.length, 1, "it pauses");
    await drbd.load();
    await turn();
    assert.equal(exec.streams.length, 2);
    following.stop();
  });
});

describe("the helper that DRBD's module calls", () => {
  const within = (use: (directory: string) => void): void => {
    const directory = mkdtempSync(join(tmpdir(), "tandem-helper-"));
    try {
      use(directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };

  it("is our script", () =>
    within((directory) => {
      const parameter = join(directory, "usermode_helper");
      writeFileSync(parameter, "/sbin/drbdadm\n");
      writeUsermodeHelper("/x/fence-peer", parameter);
      assert.equal(readFileSync(parameter, "utf8"), "/x/fence-peer");
    }));

  it("stays what it is where the kernel has no such parameter or takes no path, and nothing breaks", () =>
    within((directory) => {
      writeUsermodeHelper("/x/fence-peer", join(directory, "absent"));
      assert.deepEqual(readdirSync(directory), []);
      // Readable and not writable, for root too.
      assert.doesNotThrow(() => writeUsermodeHelper("/x/fence-peer", "/proc/version"));
    }));
});
