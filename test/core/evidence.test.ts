// What is put on record about each channel when an episode begins and when it is decided.

import assert from "node:assert/strict";
import { test } from "node:test";
import { evidence } from "../../src/core/evidence.ts";
import { createEvidenceTeller } from "../../src/daemon/history/evidence-log.ts";
import type { Snapshot } from "../../src/daemon/brain/messages.ts";
import { servingWorld, type World } from "../sim/world.ts";

const found = (world: World, host: "a" | "b"): Readonly<Record<string, string>> =>
  Object.fromEntries(evidence(world.state(host), world.now).map((one) => [one.channel, one.found]));

test("under VOTE: both links, DRBD, the signs and the vote", () => {
  const world = servingWorld({ policy: "vote" });
  world.powerOff("a");
  world.until("b is sure", () => world.state("b").dead, 20_000);
  const { management, replication, drbd, signs, vote, device } = found(world, "b");
  assert.match(management ?? "", /^last heartbeat [3-6]\.\d s ago$/);
  assert.match(replication ?? "", /^last heartbeat [3-6]\.\d s ago$/);
  assert.match(drbd ?? "", /^iscsi1 \w+, Secondary\/Unknown UpToDate\/DUnknown$/);
  assert.match(signs ?? "", /silent \d\.\d s ago$/);
  assert.match(vote ?? "", /^every sample passed for \d\.\d s$/);
  assert.equal(device, undefined);
});

test("under STRICT: the device, which proves in the end", () => {
  const world = servingWorld({ policy: "strict", config: { quorumRequired: false } });
  world.powerOff("a");
  world.until("b serves", () => world.serving("b"), 40_000);
  const { device, vote } = found(world, "b");
  assert.match(device ?? "", /^proved \d+\.\d s ago that the other host is off$/);
  assert.equal(vote, undefined);
});

test("a link that works one way only is told as that", () => {
  const world = servingWorld({ policy: "vote" });
  // What B sends arrives nowhere; what A sends still comes.
  for (const link of ["management", "replication"] as const) world.network.out[link].b = false;
  world.run(3_000);
  assert.match(
    found(world, "b")["management"] ?? "",
    /^last heartbeat 0\.\d s ago, but it hears this host no more since /,
  );
});

test("it is told when the episode begins and when something is decided, not with every look", () => {
  const told: string[] = [];
  const teller = createEvidenceTeller((_event, detail) => told.push(detail));
  const world = servingWorld({ policy: "vote" });
  const look = (): void => {
    const state = world.state("b");
    const seen = state.suspected ? evidence(state, world.now) : null;
    teller.saw({ state, evidence: seen } as unknown as Snapshot);
  };
  look();
  assert.equal(told.length, 0);
  world.powerOff("a");
  for (let i = 0; i < 200; i++) {
    world.run(100);
    look();
  }
  assert.ok(told.length >= 3 && told.length <= 8, String(told.length));
  assert.match(told[0] ?? "", /^management: .*; replication: .*; drbd: .*; signs: .*; vote: /);
});
