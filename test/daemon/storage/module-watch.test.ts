// A kernel without DRBD's module: loaded by the daemon, watched, and told when it cannot be.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { createModuleWatch, MODULE_ALERT } from "../../../src/daemon/storage/module-watch.ts";
import type { DriverError } from "../../../src/drivers/driver-error.ts";
import { err, ok, type Result } from "../../../src/util/result.ts";

const NO_MODULE: DriverError = { kind: "exit", command: "modprobe drbd", code: 1, stderr: "Module drbd not found" };

class World {
  now = 0;
  loaded = false;
  loads = 0;
  /** What the next loading gives; null: it hangs. */
  answer: Result<"changed", DriverError> | null = ok("changed");
  alert: string | null = null;
  readonly said: string[] = [];
  readonly watch = createModuleWatch({
    now: () => this.now,
    drbd: {
      isLoaded: () => this.loaded,
      load: async () => {
        this.loads += 1;
        if (this.answer === null) return await new Promise(() => undefined);
        this.loaded = this.answer.ok;
        return this.answer;
      },
      version: async () => ok({ module: this.loaded ? "8.4.11" : "not loaded", utils: "9.22.0" }),
    },
    alerts: {
      raise: (id, text) => void (id === MODULE_ALERT && (this.alert = text)),
      clear: (id) => void (id === MODULE_ALERT && (this.alert = null)),
    },
    log: (_event, detail) => void this.said.push(detail),
  });

  async seconds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.now += 1_000;
      this.watch.look();
      await turn();
    }
  }
}

test("a module that is missing at the start is loaded, and nobody is bothered", async () => {
  const world = new World();
  await world.seconds(3);
  assert.equal(world.loads, 1);
  assert.equal(world.alert, null);
  assert.equal(world.watch.version(), "8.4.11 (utils 9.22.0)");
});

test("one that cannot be loaded is told at once and tried at longer and longer intervals, until it comes", async () => {
  const world = new World();
  world.answer = err(NO_MODULE);
  await world.seconds(1);
  assert.match(world.alert ?? "", /not loaded on this host.*Module drbd not found.*uname -r/);
  await world.seconds(120);
  assert.ok(world.loads >= 6 && world.loads <= 9, `${world.loads} tries in two minutes`);
  world.answer = ok("changed");
  await world.seconds(62);
  assert.equal(world.alert, null);
  assert.ok(world.said.includes("the kernel module is loaded"));
});

test("a loading that hangs is the only one, and the looks go on", async () => {
  const world = new World();
  world.answer = null;
  await world.seconds(30);
  assert.equal(world.loads, 1);
});

test("a module that somebody takes out is noticed and loaded at once, also for the second time", async () => {
  const world = new World();
  world.loaded = true;
  await world.seconds(5);
  assert.equal(world.loads, 0);
  for (const times of [1, 2]) {
    world.loaded = false;
    await world.seconds(2);
    assert.equal(world.loads, times);
    await world.seconds(5);
  }
  assert.equal(world.said.filter((one) => one === "the kernel module was unloaded").length, 2);
});
