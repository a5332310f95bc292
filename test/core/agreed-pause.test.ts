// A7: what was agreed for the exchange of a daemon holds until the watchdog of the next one is armed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "../../src/core/explain.ts";
import { servingWorld, type World } from "../sim/world.ts";
import { cut, mend } from "./mutation.ts";

/** The daemon of `host` was stopped as agreed, the next one beat once and ended before its watchdog was armed. */
function halfStarted(host: "a" | "b"): World {
  const world = servingWorld();
  const other = host === "a" ? "b" : "a";
  world.command(host, { kind: "pause" });
  world.run(3_000);
  assert.equal(world.replies.at(-1)?.action.outcome, "done");
  world.killDaemon(host);
  world.run(2_000);
  const { incarnation } = world.state(other).peer.body ?? {};
  world.fail(host, "watchdog-arm");
  world.startDaemon(host);
  world.until("the next daemon is heard", () => world.state(other).peer.body?.incarnation !== incarnation, 5_000);
  assert.equal(world.hosts[host].watchdog.armed, false);
  // Long enough for the other host to count as in sync with it.
  world.run(2_000);
  world.killDaemon(host);
  world.fail(host, null);
  return world;
}

for (const host of ["a", "b"] as const) {
  test(`nobody acts for ${host} whose next daemon ended before it armed its watchdog`, () => {
    const world = halfStarted(host);
    cut(world, host);
    world.run(60_000);
    assert.deepEqual(world.violations, []);
    assert.equal(world.hosts[host].domains.get(`vm-${host}`)?.paused, false);
  });

  test(`a person is told that nobody acts for ${host}, and their word is enough`, () => {
    const world = halfStarted(host);
    const other = host === "a" ? "b" : "a";
    world.powerOff(host);
    world.run(30_000);
    const told = /owns the storage and is silent, and .* not armed again.*confirm-peer-off/;
    const alerts = world.log.filter(({ host: by, event }) => by === other && event.startsWith("alert."));
    assert.equal(
      alerts.some(({ detail }) => told.test(detail)),
      host === "a",
    );
    assert.match(
      explain(world.state(other), world.now)
        .map((one) => one.sentence)
        .join("\n"),
      /confirm-peer-off/,
    );
    assert.equal(world.hosts[other].domains.has(`vm-${host}`), false);
    world.command(other, { kind: "confirm-peer-off" });
    world.until("the other host serves", () => world.serving(other), 20_000);
    world.until("the VM is started elsewhere", () => world.hosts[other].domains.has(`vm-${host}`), 60_000);
    assert.deepEqual(world.violations, []);
  });

  test(`the agreement about ${host} is over when its daemon has armed its watchdog`, () => {
    const world = halfStarted(host);
    const other = host === "a" ? "b" : "a";
    world.startDaemon(host);
    world.until("the watchdog is armed", () => world.hosts[host].watchdog.armed, 10_000);
    world.run(3_000);
    assert.equal(world.state(other).peer.body?.intent, "none");
    cut(world, host);
    world.until("the VM is started elsewhere", () => world.hosts[other].domains.has(`vm-${host}`), 60_000);
    mend(world, host);
    assert.deepEqual(world.violations, []);
  });
}

test("an exchanged daemon that hears nobody at first leaves what it finds alone, and its watchdog disarmed", () => {
  const world = servingWorld();
  world.command("a", { kind: "pause" });
  world.run(3_000);
  world.killDaemon("a");
  // As slow as a host can be on the day of an update: its first word comes late.
  world.stallDaemon("b", 4_000);
  world.startDaemon("a");
  world.run(3_500);
  assert.equal(world.state("a").softFenced, false);
  assert.equal(world.serving("a"), true);
  assert.equal(world.hosts.a.watchdog.armed, false);
  world.until("contact, and an armed watchdog", () => world.hosts.a.watchdog.armed, 5_000);
  assert.equal(world.state("a").stopping, null);
  assert.deepEqual(world.violations, []);
});

test("an exchanged daemon that hears nobody for ten seconds counts that as silence", () => {
  const world = servingWorld();
  world.command("a", { kind: "pause" });
  world.run(3_000);
  world.killDaemon("a");
  world.powerOff("b");
  world.startDaemon("a");
  world.run(9_000);
  assert.equal(world.state("a").softFenced, false);
  world.until("a is soft-fenced", () => world.state("a").softFenced, 5_000);
  assert.deepEqual(world.violations, []);
});
