// A19, D12: the owner is lost and nothing may act by itself. What the alert names, or the guide after a loss of both hosts, is
// all that a person has to type.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "../../src/core/model/event.ts";
import { valueOf } from "../../src/core/model/observation.ts";
import { servingWorld } from "../sim/world.ts";

const TYPED: Readonly<Record<string, Command>> = {
  "iscsi-cfg confirm-peer-off": { kind: "confirm-peer-off" },
  "iscsi-cfg manual-mode-enable": { kind: "manual", on: true, force: false },
  "iscsi-cfg become-primary": { kind: "become-primary", force: false },
  "iscsi-cfg become-primary --force": { kind: "become-primary", force: true },
  "ha-cfg maintenance off": { kind: "maintenance", on: false },
};

const TAKE_BY_HAND: readonly Command[] = [
  { kind: "confirm-peer-off" },
  { kind: "manual", on: true, force: false },
  { kind: "become-primary", force: true },
];

const MANUAL: Command = { kind: "manual", on: true, force: false };

for (const [mode, host, command] of [
  ["this host is in manual mode", "b", MANUAL],
  ["the other host is in manual mode", "a", MANUAL],
  ["this host is in maintenance", "b", { kind: "maintenance", on: true }],
] as const)
  test(`${mode} and the owner is lost: the commands of the alert take the storage`, () => {
    const world = servingWorld();
    world.command(host, command);
    world.run(1_000);
    world.powerOff("a");
    world.run(20_000);
    assert.equal(world.serving("b"), false);
    const alert = world.log.find((one) => one.event === "alert.raised" && one.detail.includes(mode))?.detail ?? "";
    const commands = [...alert.matchAll(/'((?:iscsi|ha)-cfg [^']+)'/g)].map(([, typed = ""]) => TYPED[typed]);
    assert.ok(commands.length > 0, alert);
    for (const one of commands) {
      assert.ok(one !== undefined, alert);
      world.command("b", one);
      world.run(1_000);
    }
    world.until("b serves", () => world.serving("b"), 15_000);
    assert.deepEqual(world.violations, []);
  });

test("both hosts were off and one is back: taken by hand, and then out of manual mode", () => {
  const world = servingWorld();
  for (const host of ["a", "b"] as const) world.powerOff(host);
  world.run(5_000);
  world.powerOn("b");
  world.run(60_000);
  assert.equal(world.serving("b"), false);
  for (const one of TAKE_BY_HAND) {
    world.command("b", one);
    world.run(1_000);
  }
  world.until("b serves", () => world.serving("b"), 15_000);
  world.until("b is pool master", () => valueOf(world.state("b").xapi)?.role === "master", 60_000);
  world.command("b", { kind: "manual", on: false, force: false });
  world.run(1_000);
  assert.equal(world.replies.at(-1)?.action.outcome, "done");
  assert.deepEqual(world.violations, []);
});
